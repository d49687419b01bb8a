// ---------------------------------------------------------------------------------- the story
// Five pages about one sample; `pages.js` fills them.

const PAGES = ["in", "said", "fault", "update", "after"];
const MODES = { in: "up", said: "up", fault: "back", update: "change", after: "after" };
let network = null, page = 0, walking = "story";

function followed() { // the unit of the lowest layer that learns which this sample blames most
  const c = firstColumn(), d = c < 0 ? null : gradientOf(c, state.n);
  if (state.unit !== null || !d) return state.unit ?? 0;
  return d.reduce((best, v, k) => Math.abs(v) > Math.abs(d[best]) ? k : best, 0);
}

function chooseUnit(k) {
  const H = columns[firstColumn()].units;
  if (!(k >= 0 && k < H)) return;
  state.unit = k;
  tellPage();
}

function tell() { // the frame: once
  const box = $("#story"), steps = PAGES.map((id, k) =>
    `<li><button type="button" data-page="${k}"><i aria-hidden="true">${k + 1}</i>${T(`story.${id}`)}</button></li>`).join("");
  box.innerHTML = `<ol class="pages">${steps}</ol>
    <div class="network" tabindex="0"></div><p class="reading"></p>
    <article class="page" tabindex="-1" aria-labelledby="page-h"></article>
    <div class="walk"><button type="button" class="prev"><small>← ${T("prev")}</small><b></b></button>
    <button type="button" class="next"><small>${T("next")} →</small><b></b></button></div>
    <h3 class="choose-h">${T("story.others")}</h3><div class="samples row" role="group" tabindex="0" aria-label="${esc(plain("story.others"))}"></div>`;
  network = new Network($(".network", box));
  for (const b of $$(".pages button", box)) b.addEventListener("click", () => turn(Number(b.dataset.page), true));
  $(".prev", box).addEventListener("click", () => turn(page - 1, true));
  $(".next", box).addEventListener("click", () => page === PAGES.length - 1 ? goTo("batch", true) : turn(page + 1, true));
  addEventListener("resize", () => network.box.clientWidth && network.draw());
}

function turn(k, focus = false) { // to page k
  page = Math.max(0, Math.min(PAGES.length - 1, k));
  walking = "story";
  tellPage();
  if (!focus) return;
  place(`story-${PAGES[page]}`);
  $(".page").focus({ preventScroll: true });
  const top = $(".page").getBoundingClientRect().top, pages = $(".pages").getBoundingClientRect();
  if (pages.top < 0 || top > innerHeight * .8) $(".pages").scrollIntoView();
}

function tellPage() {
  const id = PAGES[page], box = $(".page");
  $$(".pages button").forEach((b, k) => k === page ? b.setAttribute("aria-current", "step") : b.removeAttribute("aria-current"));
  network.draw(MODES[id]);
  const cut = S.params.some(p => p.after && A(p.after).block);
  $(".reading").innerHTML = T(`story.reading.${MODES[id]}${id === "update" && cut ? ".cut" : ""}`);
  box.innerHTML = `<h2 id="page-h">${T(`story.${id}.title`, { n: state.n })}</h2>`;
  TELL[id](box, state.n);
  for (const [side, k] of [["prev", page - 1], ["next", page + 1]]) {
    const button = $(`#story .${side}`);
    button.disabled = k < 0;
    $("b", button).innerHTML = k < 0 ? "" : k < PAGES.length ? T(`story.${PAGES[k]}`) : T("story.details");
  }
}
