// A page that stands alone, within a notebook: in a frame, which gets what the kernel sends.

function render({ model, el }) {
  const frame = document.createElement("iframe");
  let loaded = false, waiting = [];
  const tell = message => loaded ? frame.contentWindow.postMessage(message, "*") : waiting.push(message);
  const open = () => {
    loaded = false;
    waiting = [];
    frame.srcdoc = model.get("page");
  };
  const hear = event => { // what the page says to the kernel
    if (event.source !== frame.contentWindow || !event.data?.said) return;
    model.set("said", event.data.said);
    model.save_changes();
  };
  frame.addEventListener("load", () => {
    loaded = true;
    for (const message of waiting.splice(0)) tell(message);
  });
  frame.title = model.get("title");
  frame.setAttribute("sandbox", "allow-scripts");
  frame.style.cssText = "width:100%;border:1px solid #8884;border-radius:12px";
  frame.style.height = model.get("height");
  open();
  el.append(frame);
  model.on("change:number", open);
  model.on("msg:custom", tell);
  addEventListener("message", hear);
  return () => {
    model.off("change:number", open);
    model.off("msg:custom", tell);
    removeEventListener("message", hear);
  };
}

export default { render };
