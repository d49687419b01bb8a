// --------------------------------------------------------------------------------- the film
// Frames and time. What a frame shows is drawn by `curves.js`, `pictures.js` and `layers.js`.

const FRAMES = S.frames, EPOCHS = S.epochs;
const RATE = 10, CALM_RATE = 2; // frames a second; where the reader wants little motion
const calm = matchMedia("(prefers-reduced-motion: reduce)");
let at = 0, timer = null, drawn = [];

const frame = () => FRAMES[at];
const said = v => v === null || v === undefined ? "NaN" : show(v); // JSON has null for what is no finite number
const epochOf = f => Number.isInteger(f.epoch) ? String(f.epoch) : f.epoch.toFixed(2);
const metric = () => { // the first number beside the loss, and its words
  const name = FRAMES.length ? Object.keys(FRAMES[0].logs).find(k => k !== "loss") : undefined;
  return name === undefined ? null : name;
};
const asMetric = (name, v) => name && /accuracy/.test(name) && v !== null && v !== undefined ? `${(100 * v).toFixed(1)}%` : said(v);

function goTo(k) { // to frame k
  if (!FRAMES.length) return;
  at = Math.max(0, Math.min(FRAMES.length - 1, k));
  tell();
  for (const draw of drawn) draw();
}

function tell() { // what is told in words: the slider, and the numbers at the top
  const f = frame(), name = metric(), time = $("#time");
  const words = plain("said.time", { epoch: epochOf(f), loss: said(f.logs.loss), metric: name ? `, ${name} ${asMetric(name, f.logs[name])}` : "" });
  time.value = at;
  time.setAttribute("aria-valuetext", words);
  const facts = [[T("now.epoch"), epochOf(f)], [T("now.step"), f.at], [T("now.loss"), said(f.logs.loss)]];
  $("#nan").innerHTML = f.logs.loss === null ? T("now.nan") : "";
  if (name) facts.push([esc(name), asMetric(name, f.logs[name])]);
  $("#now").innerHTML = facts.map(([k, v]) => `<div><dt>${k}</dt><dd>${v}</dd></div>`).join("");
}

function play(on = timer === null) {
  clearInterval(timer);
  timer = null;
  if (on && at === FRAMES.length - 1) goTo(0);
  if (on && FRAMES.length > 1) {
    const rate = (calm.matches ? CALM_RATE : RATE) * Number($("#speed").value);
    timer = setInterval(() => at < FRAMES.length - 1 ? goTo(at + 1) : play(false), 1000 / rate);
  }
  const playing = timer !== null;
  $("#play path").setAttribute("d", playing ? "M3 2h4v12H3zM9 2h4v12H9z" : "M3 2v12l11-6z");
  $("#play b").innerHTML = T(playing ? "pause" : "play");
  $("#play").classList.toggle("on", playing);
}

function measure() { // what depends on how many frames there are
  $("#time").max = Math.max(0, FRAMES.length - 1);
  const ends = FRAMES.length - 1 || 1;
  $(".ticks").innerHTML = FRAMES.map((f, k) => f.moment ? `<i style="left:${(100 * k / ends).toFixed(2)}%"></i>` : "").join("");
  $("#open").disabled = !FRAMES.some(f => f.moment);
}

function label() { // words that are no elements: they are in one language
  for (const [q, key] of [["#first", "first"], ["#last", "last"], ["#time", "time"], ["#player", "player"], [".choice", "units.choice"]])
    $(q).setAttribute("aria-label", plain(key));
  $("#first").title = plain("first");
  $("#last").title = plain("last");
}

function add(message) { // a frame or an epoch of a training that goes on
  const follows = at >= FRAMES.length - 1;
  if (message.shared) S.shared = message.shared;
  if (message.epoch) EPOCHS.push(message.epoch);
  if (message.frame && !FRAMES.some(f => f.at >= message.frame.at)) FRAMES.push(message.frame);
  measure();
  goTo(follows ? FRAMES.length - 1 : at);
}

function listen() {
  $("#play").addEventListener("click", () => play());
  $("#first").addEventListener("click", () => goTo(0));
  $("#last").addEventListener("click", () => goTo(FRAMES.length - 1));
  $("#time").addEventListener("input", e => { play(false); goTo(Number(e.target.value)); });
  $("#speed").addEventListener("change", () => { if (timer !== null) play(true); });
  document.addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || $("#moment").open) return;
    const target = event.target, slider = target.id === "time";
    if (target.closest("select, .language") || (target.closest("button") && [" ", "Enter"].includes(event.key))) return;
    const scroller = target.closest(".scroll");
    if (scroller && scroller.scrollWidth > scroller.clientWidth && event.key.startsWith("Arrow")) return;
    const keys = { " ": () => play(), Enter: () => openMoment(), ArrowLeft: () => goTo(at - 1), ArrowRight: () => goTo(at + 1), Home: () => goTo(0), End: () => goTo(FRAMES.length - 1) };
    if (slider && event.key !== " " && event.key !== "Enter") { play(false); return; } // its own keys
    if (!keys[event.key]) return;
    event.preventDefault();
    if (event.key !== " ") play(false);
    keys[event.key]();
  });
}
