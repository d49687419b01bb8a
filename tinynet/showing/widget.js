// A page that stands alone, within a notebook: in a frame, which gets what the kernel sends.

function render({ model, el }) {
  let frame, loaded, waiting;
  const tell = message => loaded ? frame.contentWindow.postMessage(message, "*") : waiting.push(message);
  const open = () => { // each page has a frame of its own: one that still loads may keep the old page
    const own = frame = document.createElement("iframe");
    loaded = false;
    waiting = [];
    own.title = model.get("title");
    own.setAttribute("sandbox", "allow-scripts");
    own.style.cssText = "width:100%;border:1px solid #8884;border-radius:12px";
    own.style.height = model.get("height");
    own.srcdoc = model.get("page");
    own.addEventListener("load", () => {
      if (own !== frame) return;
      loaded = true;
      for (const message of waiting.splice(0)) tell(message);
    });
    el.replaceChildren(own);
  };
  const hear = event => { // what the page says to the kernel
    if (event.source !== frame.contentWindow || !event.data?.said) return;
    model.set("said", event.data.said);
    model.save_changes();
  };
  open();
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
