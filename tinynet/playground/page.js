// What the controls do; points and digits by hand; the address that holds a setting.

function fill() {
  document.documentElement.lang = language;
  for (const button of document.querySelectorAll("[data-language]"))
    button.setAttribute("aria-pressed", button.dataset.language === language);
  const sets = $("sets");
  sets.replaceChildren(...SETS.map((name) => {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), {type: "radio", name: "set", value: name, checked: name === chosen.data});
    const canvas = document.createElement("canvas");
    thumbnail(canvas, name);
    label.append(radio, canvas, document.createTextNode(say(`set.${name}`)));
    radio.addEventListener("change", () => {
      chosen.data = name;
      begin();
      document.querySelector("input[name=set]:checked").focus();
    });
    return label;
  }));
  $("own-points").hidden = chosen.data !== "points";
  $("pad-box").hidden = chosen.data !== "digits";
  $("noise").disabled = ["points", "digits"].includes(chosen.data);
  $("plot").tabIndex = chosen.data === "points" ? 0 : -1;
  Object.assign($("noise"), {value: chosen.noise});
  Object.assign($("share"), {value: chosen.share});
  $("batch").value = BATCHES.indexOf(chosen.batch);
  $("seed").value = chosen.seed;
  document.querySelector("output[for=noise]").textContent = chosen.noise;
  document.querySelector("output[for=share]").textContent = `${Math.round(100 * chosen.share)}%`;
  document.querySelector("output[for=batch]").textContent = chosen.batch;
  options("initializer", choices.initializer, chosen.initializer);
  options("optimizer", choices.optimizer, chosen.optimizer);
  options("rate", RATES, chosen.rate);
  options("loss", LOSSES[data.task], chosen.loss);
  options("l1", PENALTIES, chosen.l1);
  options("l2", PENALTIES, chosen.l2);
  options("speed", SPEEDS, $("speed").value || 5);
  Object.assign($("f"), {value: chosen.f});
  Object.assign($("df"), {value: chosen.df});
  $("fewer").disabled = chosen.hidden.length === 0;
  $("more").disabled = chosen.hidden.length === MOST_LAYERS;
  columns();
  tell_python();
}

function tell_python() { // shown on the page, and heard by a notebook's widget
  const text = run ? python(run.settings, data) : "";
  $("python-text").textContent = text;
  if (parent !== window) parent.postMessage({said: {python: text, address: to_address()}}, "*");
}

function options(id, values, value) {
  if (!values.some((v) => String(v) === String(value))) values = [...values, value];
  $(id).replaceChildren(...values.map((v) => new Option(v, v)));
  $(id).value = value;
}

function thumbnail(canvas, name) {
  Object.assign(canvas, {width: 56, height: 56});
  const context = canvas.getContext("2d");
  if (name === "digits") {
    const {x} = unpacked();
    context.fillStyle = colour("--ink");
    for (let j = 0; j < 64; j++) {
      context.globalAlpha = x[3][j];
      context.fillRect((j % 8) * 7, Math.floor(j / 8) * 7, 7, 7);
    }
    return;
  }
  const {rows, task} = load({...chosen, data: name, noise: 0});
  draw_points(context, 56, {...packed(rows.slice(0, 160))}, task, false);
}

function read_own() {
  const used = chosen.hidden.some((layer) => layer.activation === "own");
  try {
    own = own_activation(chosen.f, chosen.df);
    const {wrong} = own;
    $("own-said").className = wrong ? "wrong" : "right";
    $("own-said").textContent = wrong
      ? say("own.wrong", {x: short(wrong.x), typed: short(wrong.typed), measured: short(wrong.measured)})
      : say("own.right");
    own.options = [];
  } catch ({token}) {
    $("own-said").className = "wrong";
    $("own-said").textContent = say("own.unread", {token});
    own = {f: (x, y) => y.set(x), df: (x, y, slopes) => slopes.fill(1)};
    if (used) $("own").open = true;
  }
}

const on = (id, event, act) => $(id).addEventListener(event, act);
on("play", "click", toggle);
on("step", "click", () => travel((run?.model.steps ?? 0) + 1));
on("back", "click", () => travel((run?.model.steps ?? 0) - 1));
on("reset", "click", begin);
on("time", "input", () => travel(Number($("time").value)));
on("noise", "input", () => set("noise", Number($("noise").value), begin));
on("share", "input", () => set("share", Number($("share").value), begin));
on("batch", "input", () => set("batch", BATCHES[$("batch").value], () => {
  document.querySelector("output[for=batch]").textContent = chosen.batch;
  change();
}));
on("seed", "change", () => set("seed", Math.min(9999, Math.max(0, Math.round($("seed").value) || 0)), begin));
on("initializer", "change", () => set("initializer", $("initializer").value, begin));
on("optimizer", "change", () => set("optimizer", $("optimizer").value, begin));
on("loss", "change", () => set("loss", $("loss").value, begin));
for (const id of ["rate", "l1", "l2"]) on(id, "change", () => set(id, Number($(id).value), change));
for (const id of ["f", "df"]) on(id, "input", () => set(id, $(id).value, () => {
  read_own();
  if (chosen.hidden.some((layer) => layer.activation === "own")) {
    run = new Run(settings_of(chosen));
    draw();
  }
}));
on("fewer", "click", () => {
  chosen.hidden.pop();
  begin();
});
on("more", "click", () => {
  chosen.hidden.push({...(chosen.hidden.at(-1) ?? start.hidden[0])});
  begin();
});
on("keep", "click", () => {
  if (!run) return announce(say("say.empty"));
  ghost = keep(structuredClone(chosen));
  ghost.run.go_to(run.model.steps);
  draw();
});
on("drop", "click", () => {
  ghost = null;
  draw();
  $("keep").focus();
});
on("clear", "click", () => set("points", [], begin));
for (const radio of document.querySelectorAll("input[name=lines]")) radio.addEventListener("change", draw);
for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => {
    language = button.dataset.language;
    read_own();
    fill();
    draw();
  });
addEventListener("resize", () => draw());

function toggle() {
  if (!run) return announce(say("say.empty"));
  playing = !playing;
  draw();
  if (!playing) announce();
}

function set(name, value, then) {
  chosen[name] = value;
  then();
  tell_python();
}

addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey) return;
  const tag = event.target.tagName, in_plot = event.target.id === "plot" || event.target.id === "pad";
  if (["INPUT", "SELECT", "TEXTAREA"].includes(tag) || (tag === "BUTTON" && event.key === " ") || tag === "SUMMARY") return;
  if (in_plot) return;
  const act = {" ": toggle, ArrowRight: () => $("step").click(), ArrowLeft: () => $("back").click(), r: begin, R: begin}[event.key];
  if (!act || event.target.closest(".scroll, #network") && event.key.startsWith("Arrow")) return;
  event.preventDefault();
  act();
});

// --------------------------------------------------------------------- own points, drawn digits

function set_point([a, b], target) {
  const near = chosen.points.findIndex(([p, q]) => Math.hypot(p - a, q - b) < 0.05);
  if (near >= 0) [a, b, target] = [...chosen.points.splice(near, 1)[0].slice(0, 2), 1 - chosen.points_last];
  chosen.points_last = target;
  set("points", [...chosen.points, [round3(a), round3(b), target]], begin);
}

on("plot", "pointerdown", (event) => {
  if (chosen.data !== "points") return;
  const {left, top, width, height} = $("plot").getBoundingClientRect();
  cross = [((event.clientX - left) / width) * 2 - 1, 1 - ((event.clientY - top) / height) * 2];
  set_point(cross, event.shiftKey ? 0 : 1);
});
on("plot", "keydown", (event) => {
  if (chosen.data !== "points") return;
  const moves = {ArrowLeft: [-0.1, 0], ArrowRight: [0.1, 0], ArrowUp: [0, 0.1], ArrowDown: [0, -0.1]};
  if (event.key in moves) {
    cross = cross.map((v, i) => Math.max(-1, Math.min(1, round3(v + moves[event.key][i]))));
    draw();
  } else if (event.key === "1" || event.key === "0") set_point(cross, Number(event.key));
  else return;
  event.preventDefault();
});

const pad = new Float64Array(64);
let pad_at = 0;
function draw_guess() {
  const layers = run.model.forward(pad, 1), p = new Float64Array(10);
  rowwise.softmax.f(layers.at(-1), 10, p);
  picture($("pad"), 8, 8, pad);
  $("pad").setAttribute("aria-label", say("pad.label"));
  $("bars").innerHTML = Array.from(p, (v, k) =>
    `<span class="digit"><b>${k}</b><span class="bar"><i style="width:${(100 * v).toFixed(0)}%"></i></span>${Math.round(100 * v)}%</span>`).join("");
}
function paint(event) {
  if (event.type === "pointermove" && !event.buttons) return;
  const {left, top, width, height} = $("pad").getBoundingClientRect();
  const [c, r] = [((event.clientX - left) / width) * 8, ((event.clientY - top) / height) * 8];
  for (let i = 0; i < 64; i++) {
    const near = 1.25 - Math.hypot((i % 8) + 0.5 - c, Math.floor(i / 8) + 0.5 - r);
    pad[i] = Math.max(pad[i], Math.min(1, near));
  }
  draw_guess();
}
for (const event of ["pointerdown", "pointermove"]) on("pad", event, paint);
on("pad", "keydown", (event) => {
  const moves = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -8, ArrowDown: 8};
  if (event.key in moves) pad_at = (pad_at + moves[event.key] + 64) % 64;
  else if (event.key === " ") pad[pad_at] = pad[pad_at] ? 0 : 1;
  else return;
  event.preventDefault();
  draw_guess();
});
$("pad").tabIndex = 0;
on("wipe", "click", () => {
  pad.fill(0);
  draw_guess();
});

// ------------------------------------------------------------------------------- address, copying

function to_address() {
  const {hidden, points, points_last, ...plain} = chosen;
  const entries = Object.entries(plain).filter(([k, v]) => v !== start[k] || k === "data");
  entries.push(["hidden", hidden.map((l) => [l.units, l.activation, l.dropout].join(":")).join(",")]);
  if (points.length) entries.push(["points", points.flat().join(",")]);
  return `#${new URLSearchParams(entries)}`;
}

// Settings from the address, or those that the page was written with; whatever they can't be is
// left as it is at first
function from_address() {
  const address = location.hash.length > 1 ? location.hash : document.documentElement.dataset.address;
  if (!address) return null;
  const given = new URLSearchParams(address.slice(1)), c = structuredClone(start);
  const number = (name, low, high) => {
    const v = Number(given.get(name));
    if (given.has(name) && v >= low && v <= high) c[name] = v;
  };
  const one_of = (name, known) => known.includes(given.get(name)) && (c[name] = given.get(name));
  one_of("data", SETS);
  one_of("initializer", choices.initializer);
  one_of("optimizer", choices.optimizer);
  one_of("loss", [...LOSSES.binary, ...LOSSES.classes]);
  number("noise", 0, 0.5);
  number("share", 0.2, 0.9);
  number("seed", 0, 9999);
  number("rate", 0, 10);
  number("l1", 0, 1);
  number("l2", 0, 1);
  if (BATCHES.includes(Number(given.get("batch")))) c.batch = Number(given.get("batch"));
  for (const name of ["f", "df"]) if (given.has(name)) c[name] = given.get(name).slice(0, 300);
  if (given.has("hidden")) {
    const layers = given.get("hidden").split(",").filter(Boolean).slice(0, MOST_LAYERS).map((text) => {
      const [units, activation, dropout] = text.split(":");
      return {units: Number(units), activation, dropout: Number(dropout)};
    });
    if (layers.every((l) => Number.isInteger(l.units) && l.units >= 1 && l.units <= MOST_UNITS &&
        choices.activation.includes(l.activation) && DROPOUTS.includes(l.dropout))) c.hidden = layers;
  }
  if (given.has("points")) {
    const flat = given.get("points").split(",").map(Number).slice(0, 1200);
    const points = Array.from({length: Math.floor(flat.length / 3)}, (_, i) => flat.slice(3 * i, 3 * i + 3));
    c.points = points.filter(([a, b, t]) => Math.abs(a) <= 1 && Math.abs(b) <= 1 && (t === 0 || t === 1));
  }
  return c;
}

async function copy(text) {
  try {
    await navigator.clipboard.writeText(text);
    $("copied").textContent = say("copied");
  } catch {
    $("copied").textContent = say("not.copied");
    $("python-text").textContent = text;
    $("python-box").open = true;
  }
}
on("python", "click", () => run && copy(python(run.settings, data)));
on("link", "click", () => {
  if (location.protocol === "about:") return copy(to_address()); // within another page
  history.replaceState(null, "", to_address());
  copy(location.href);
});
addEventListener("hashchange", () => {
  chosen = from_address() ?? structuredClone(start);
  begin();
});

begin();
announce();
requestAnimationFrame(frame);
