// -------------------------------------------------------------------------------- the details
// Every layer forward and backward, the loss, the update and the proofs: one card at a time.

const deep = $("#details");
const place = id => { // in the address; a page inside another one has none of its own
  if (location.protocol !== "about:") history.replaceState(null, "", `#${id}`);
};

const stops = $$(".stop"), chips = new Map($$(".chip").map(c => [c.dataset.stop, c]));
let here = 0, everything = false;

function go(k, focus = false) {
  here = Math.max(0, Math.min(stops.length - 1, k));
  stops.forEach((s, n) => s.classList.toggle("on", n === here));
  chips.forEach((chip, id) => {
    if (id === stops[here].id) chip.setAttribute("aria-current", "step");
    else chip.removeAttribute("aria-current");
  });
  const chip = chips.get(stops[here].id), lanes = chip && chip.parentElement;
  if (lanes) lanes.scrollTo({ left: chip.offsetLeft - lanes.clientWidth / 2 + chip.offsetWidth / 2 });
  drawIn(everything ? document : stops[here]);
  for (const [side, other] of [["prev", here - 1], ["next", here + 1]]) {
    const button = $(`.cards .${side}`), target = stops[other];
    button.disabled = !target;
    $("b", button).innerHTML = target ? $("h2", target).innerHTML : "";
  }
  if (focus) {
    deep.open = true;
    walking = "details";
    place(stops[here].id);
    if (everything) stops[here].scrollIntoView();
    drawIn(stops[here]);
    stops[here].focus({ preventScroll: true });
    const top = $(".cards").getBoundingClientRect().top, bar = $(".strip").offsetHeight;
    if (top < 0 || top > innerHeight * 0.7) scrollBy(0, top - bar - 16);
  }
}

const goTo = (id, focus) => go(stops.findIndex(s => s.id === id), focus);

function open(hash) { // a page of the story, a stop, or a piece of source
  const told = PAGES.findIndex(id => hash === `#story-${id}`);
  if (told >= 0) {
    turn(told);
    return true;
  }
  const target = hash.length > 1 && document.getElementById(decodeURIComponent(hash.slice(1)));
  if (!target) return false;
  if (target.classList.contains("stop")) goTo(target.id, true);
  else {
    for (let fold = target.closest("details"); fold; fold = fold.parentElement.closest("details")) fold.open = true;
    $$(".hit").forEach(line => line.classList.remove("hit"));
    target.classList.add("hit");
    target.scrollIntoView({ block: "center" });
    target.focus({ preventScroll: true });
  }
  return true;
}

function walk() {
  $(".cards").insertAdjacentHTML("beforeend",
    `<div class="walk"><button type="button" class="prev"><small>← ${T("prev")}</small><b></b></button>
     <button type="button" class="next"><small>${T("next")} →</small><b></b></button></div>`);
  $(".cards .prev").addEventListener("click", () => go(here - 1, true));
  $(".cards .next").addEventListener("click", () => go(here + 1, true));
  $(".strip .tail").insertAdjacentHTML("beforeend",
    `<button type="button" class="all" aria-pressed="false">${T("strip.all")}</button><span class="keys">${T("strip.hint")}</span>`);
  $(".all").addEventListener("click", () => {
    everything = !everything;
    $(".all").setAttribute("aria-pressed", everything);
    document.body.classList.toggle("everything", everything);
    go(here);
  });
  deep.addEventListener("toggle", () => {
    walking = deep.open ? "details" : "story";
    if (deep.open) drawIn(everything ? document : stops[here]);
  });
  document.addEventListener("focusin", event => {
    if (event.target.closest("#story, .cards")) walking = event.target.closest("#story") ? "story" : "details";
  });
  document.addEventListener("click", event => {
    const link = event.target.closest('a[href^="#"]');
    if (link && open(link.getAttribute("href"))) event.preventDefault();
  });
  document.addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, canvas, pre")) return;
    const scroller = event.target.closest(".scroll, .network, .row");
    if (scroller && scroller.scrollWidth > scroller.clientWidth) return;
    const [at, step, most] = walking === "story" ? [page, turn, PAGES.length - 1] : [here, go, stops.length - 1];
    const target = { ArrowLeft: at - 1, ArrowRight: at + 1, Home: 0, End: most }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    step(target, true);
  });
  addEventListener("hashchange", () => open(location.hash));
}

