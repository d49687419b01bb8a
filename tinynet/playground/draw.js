// What a frame shows: numbers, the answer, the network with its units and connections, tables.

function numbers() {
  if (!run) return say("say.empty");
  const {step, train, test, accuracy} = run.now;
  const epoch = Math.floor(step / Math.ceil(data.train.N / chosen.batch)) + 1;
  return [say("say.step", {step, epoch}), say("say.loss", {train: short(train), test: short(test)}),
    accuracy === null || accuracy === undefined ? "" : say("say.accuracy", {n: (100 * accuracy).toFixed(0)}),
  ].filter(Boolean).join(" · ");
}

function announce(words = numbers()) {
  $("said").textContent = words;
  $("numbers").textContent = words;
}

// All of it at once, as it is while time stands still
function draw() {
  document.body.classList.toggle("playing", playing);
  $("play").setAttribute("aria-pressed", playing);
  $("play").querySelector(".sign").textContent = playing ? "❚❚" : "▶";
  document.querySelector(".legend .ghost").hidden = $("drop").hidden = !ghost;
  place_wires();
  if (run) {
    draw_units(-1);
    unit_of();
  } else leave_nothing();
  for (const {draw} of parts) draw();
}

// Without points there is no network, and no picture or number of the last one
function leave_nothing() {
  for (const {width, height, id} of [$("curve"), $("shape")])
    $(id).getContext("2d").clearRect(0, 0, width, height);
  for (const id of ["layer-table", "unit-table", "unit-name"]) $(id).replaceChildren();
}

// What changes with each step, in parts that a frame may draw some of: [{draw, cost}]
let parts = [];
function list_parts() {
  const draws = [tell_numbers, draw_output];
  run?.model.layers.forEach((_, L) => draws.push(() => draw_units(L), () => draw_wires(L)));
  if (run) draws.push(draw_loss, layer_table, unit_table);
  if (chosen.data === "digits") draws.push(draw_guess);
  parts = draws.map((draw) => ({draw, cost: 1}));
  queue = [...parts];
}

function tell_numbers() {
  run?.keep_up();
  ghost?.run.keep_up();
  const lost = run && !Number.isFinite(run.now.train), words = numbers();
  if (lost && playing) {
    playing = false;
    announce(say("say.lost"));
  }
  $("numbers").textContent = lost ? say("say.lost") : words;
  Object.assign($("time"), {max: run ? Math.max(...run.saved.keys()) : 0, value: run?.model.steps ?? 0});
  $("plot").setAttribute("aria-label", say(chosen.data === "digits" ? "digits.label" : "plot.label", {numbers: words}));
  $("curve").setAttribute("aria-label", run ? say("curve.label", {numbers: words}) : words);
  if (!run) $("shape").setAttribute("aria-label", words);
}

function draw_output() {
  const canvas = $("plot"), context = canvas.getContext("2d"), size = canvas.width;
  if (chosen.data === "digits") return draw_digits(context, size, data.test, run.p);
  context.fillStyle = colour("--zero");
  context.fillRect(0, 0, size, size);
  if (run) {
    const {model} = run, last = model.layers.at(-1);
    run.outputs = model.forward(plane, SIDE * SIDE);
    const p = probabilities(run);
    draw_answers(context, size, p, last.units, data.task);
    Object.assign(context, {strokeStyle: colour("--ink"), lineWidth: 3});
    if (data.task === "binary") draw_border(context, size, p, 0.5);
    if (ghost && data.task === "binary") {
      ghost.run.outputs = ghost.run.model.forward(plane, SIDE * SIDE);
      Object.assign(context, {strokeStyle: colour("--ghost"), lineWidth: 4});
      context.setLineDash([10, 8]);
      draw_border(context, size, probabilities(ghost.run), 0.5);
      context.setLineDash([]);
    }
  }
  draw_all_points(context, size, data);
  if (chosen.data === "points") {
    const [a, b] = cross, x = ((a + 1) / 2) * size, y = ((1 - b) / 2) * size;
    context.strokeStyle = colour("--ink");
    context.lineWidth = 2;
    context.strokeRect(x - 8, y - 8, 16, 16);
  }
}

// The outputs over the plane as probabilities, where the engine has logits
function probabilities({model, outputs}) {
  const z = outputs.at(-1);
  if (!model.fused) return z;
  const p = new Float64Array(z.length);
  if (data.task === "classes") rowwise.softmax.f(z, model.layers.at(-1).units, p);
  else formulas.activations.sigmoid.f(z, p);
  return p;
}

// A layer's entries of what the lines show: weights, gradients or the last update
function flat_of({W, dW, from}) {
  return {w: W, g: dW, change: run.model.change.subarray(from, from + W.length)}[view()];
}
const view = () => document.querySelector("input[name=lines]:checked").value;

// The pictures of a layer's units, -1 for the inputs
function draw_units(L) {
  const digits = chosen.data === "digits", {layers} = run.model, layer = layers[L];
  const flat = layer && digits ? flat_of(layer) : null;
  const values = L < 0 ? plane : digits ? flat : L === layers.length - 1 ? probabilities(run) : run.outputs[L];
  const every = L < 0 ? 2 : layer.units;
  units[L + 1].forEach(({canvas}, k) => {
    if (L > 0 && digits) picture(canvas, layer.inputs, 1, flat, every, k, largest_of(flat));
    else picture(canvas, ...(digits ? [8, 8] : [SIDE, SIDE]), values, every, k, largest_of(values, every, k));
  });
}

// Where the lines begin and end, and room for them
function place_wires() {
  const canvas = $("wires"), scale = devicePixelRatio || 1;
  const {scrollWidth: width, scrollHeight: height} = $("columns");
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    Object.assign(canvas, {width: Math.round(width * scale), height: Math.round(height * scale)});
    Object.assign(canvas.style, {width: `${width}px`, height: `${height}px`});
  }
  canvas.getContext("2d").setTransform(scale, 0, 0, scale, 0, 0);
  canvas.getContext("2d").clearRect(0, 0, width, height);
  const origin = $("columns").getBoundingClientRect();
  for (const layer of units) layer.shares = null;
  for (const unit of units.flat()) {
    const {left, right, top, height: h} = unit.button.getBoundingClientRect();
    Object.assign(unit, {left: left - origin.left, right: right - origin.left, middle: top - origin.top + h / 2});
  }
}

const LEAST_SEEN = 0.02; // of the thickest line

// The lines that lead to a layer; returns false if none of them has changed to be seen
function draw_wires(L) {
  if (L === 0 && chosen.data === "digits") return;
  const layer = run.model.layers[L], flat = flat_of(layer), most = largest_of(flat) || 1;
  const canvas = $("wires"), context = canvas.getContext("2d");
  const [plus, minus] = ["--plus", "--minus"].map(colour);
  const shares = flat.map((v) => v / most), seen = units[L + 1].shares;
  if (seen && shares.every((v, i) => Math.abs(v - seen[i]) < LEAST_SEEN)) return false;
  units[L + 1].shares = shares;
  const x0 = units[L][0].right, x1 = units[L + 1][0].left, half = (x0 + x1) / 2;
  context.clearRect(x0 - 2, 0, x1 - x0 + 4, canvas.height);
  for (let j = 0; j < layer.inputs; j++)
    for (let k = 0; k < layer.units; k++) {
      const v = shares[j * layer.units + k], share = Math.abs(v);
      if (!(share > LEAST_SEEN)) continue;
      const y0 = units[L][j].middle, y1 = units[L + 1][k].middle;
      const of_selected = selected[0] === L && selected[1] === k;
      context.globalAlpha = of_selected ? 1 : 0.15 + 0.7 * share;
      context.strokeStyle = v < 0 ? minus : plus;
      context.lineWidth = 0.5 + 4 * share;
      context.beginPath();
      context.moveTo(x0, y0);
      context.bezierCurveTo(half, y0, half, y1, x1, y1);
      context.stroke();
    }
  context.globalAlpha = 1;
  $("network").dataset.lines = view();
}

const draw_loss = () =>
  draw_curves($("curve"), run.curve, ghost?.run.curve ?? [], run.model.steps);

function layer_table() {
  const head = ["layer", "units", "activation", "dropout", "norm", "gradient", "ratio", "dead"]
    .map((key) => `<th scope="col">${say(`col.${key}`)}</th>`).join("");
  const norm = (a) => Math.sqrt(a.reduce((sum, v) => sum + v * v, 0));
  const rows = run.model.layers.map((layer, L) => {
    const {activation, dropout} = run.settings.layers[L], end = layer.from + layer.size;
    const [w, g, d] = ["w", "g", "change"].map((key) => norm(run.model[key].subarray(layer.from, end)));
    const ratio = w ? d / w : 0, share = Math.max(0, Math.min(1, (Math.log10(ratio) + 6) / 6)) || 0;
    const cells = [layer.units, activation, dropout || "–", short(w), short(g),
      `<span class="bar"><i style="width:${(100 * share).toFixed(0)}%"></i></span> ${short(ratio)}`,
      L < run.dead.length ? run.dead[L] : "–"];
    const name = L < run.dead.length ? say("hidden", {L: L + 1}) : say("last");
    return `<tr><th scope="row">${name}</th>${cells.map((c) => `<td>${c}</td>`).join("")}</tr>`;
  });
  $("layer-table").innerHTML = `<thead><tr>${head}</tr></thead><tbody>${rows.join("")}</tbody>`;
}

// The selected unit's name and activation; a network that was made smaller may lack it
function unit_of() {
  const {layers} = run.model;
  if (!(selected[1] < layers[selected[0]]?.units)) selected = [0, 0];
  const [L, k] = selected, layer = layers[L], name = run.settings.layers[L].activation;
  $("unit-name").textContent = L < layers.length - 1 ? say("unit.of", {k: k + 1, L: L + 1}) : say("unit.output", {k: k + 1});
  draw_shape($("shape"), layer, Boolean(layer.rows));
  $("shape").setAttribute("aria-label", say("shape.label", {name}));
}

function unit_table() {
  const [L, k] = selected, layer = run.model.layers[L], rows = [];
  const numbers_of = (at) => ["w", "g", "change"].map((key) => `<td>${short(run.model[key][layer.from + at])}</td>`).join("");
  const from = Array.from({length: layer.inputs}, (_, j) => j);
  if (layer.inputs > 16)  // the heaviest of many
    from.sort((a, b) => Math.abs(layer.W[b * layer.units + k]) - Math.abs(layer.W[a * layer.units + k])).splice(16);
  for (const j of from) {
    const of = L ? say("unit.label", {L, k: j + 1}) : say("input.label", {k: j + 1});
    rows.push(`<tr><th scope="row">${of}</th>${numbers_of(j * layer.units + k)}</tr>`);
  }
  rows.push(`<tr><th scope="row">${say("col.bias")}</th>${numbers_of(layer.W.length + k)}</tr>`);
  const head = ["col.from", "lines.w", "lines.g", "lines.change"].map((key) => `<th scope="col">${say(key)}</th>`);
  $("unit-table").innerHTML = `<thead><tr>${head.join("")}</tr></thead><tbody>${rows.join("")}</tbody>`;
}

// ----------------------------------------------------------------------------- the network's columns

let units = [];  // of the inputs and each layer: [{button, canvas, left, right, middle}]

function columns() {
  const box = $("columns"), digits = chosen.data === "digits";
  box.replaceChildren();
  units = Array.from({length: chosen.hidden.length + 2}, () => []);
  const column = (title) => {
    const made = box.appendChild(document.createElement("div"));
    made.className = "column";
    const head = made.appendChild(document.createElement("div"));
    head.className = "head";
    head.appendChild(Object.assign(document.createElement("b"), {textContent: title}));
    return [made, head];
  };
  const unit = (made, L, k) => {
    const button = made.appendChild(Object.assign(document.createElement("button"), {type: "button", className: "unit-button"}));
    const canvas = button.appendChild(document.createElement("canvas"));
    button.setAttribute("aria-label", L < 0 ? say("input.label", {k: k + 1}) : say("unit.label", {L: L + 1, k: k + 1}));
    if (L < 0) button.disabled = true;
    else button.addEventListener("click", () => {
      selected = [L, k];
      mark();
      draw();
    });
    units[L + 1].push({button, canvas});
  };
  const [inputs] = column(say("input"));
  if (digits) inputs.appendChild(Object.assign(document.createElement("p"), {className: "hint", textContent: "8 × 8"}));
  else for (const k of [0, 1]) unit(inputs, -1, k);
  chosen.hidden.forEach((layer, L) => {
    const [made, head] = column(say("hidden", {L: L + 1}));
    const count = head.appendChild(document.createElement("span"));
    for (const [sign, more, label] of [["−", -1, "fewer.units"], ["+", 1, "more.units"]]) {
      const button = count.appendChild(Object.assign(document.createElement("button"), {type: "button", textContent: sign, id: `${label}-${L}`}));
      button.setAttribute("aria-label", say(label, {L: L + 1}));
      button.disabled = layer.units + more < 1 || layer.units + more > MOST_UNITS;
      button.addEventListener("click", () => {
        layer.units += more;
        begin();
        $(`${label}-${L}`).focus();
      });
    }
    const select = (names, value, label, set) => {
      const made = head.appendChild(document.createElement("select"));
      made.setAttribute("aria-label", say(label, {L: L + 1}));
      made.id = `${label}-${L}`;
      made.append(...names.map((n) => new Option(label === "dropout.of" ? `${say("col.dropout")} ${n}` : n, n)));
      made.value = value;
      made.addEventListener("change", () => {
        set(made.value);
        begin();
        $(`${label}-${L}`).focus();
      });
    };
    select(choices.activation, layer.activation, "activation.of", (v) => (layer.activation = v));
    select(DROPOUTS, layer.dropout, "dropout.of", (v) => (layer.dropout = Number(v)));
    for (let k = 0; k < layer.units; k++) unit(made, L, k);
  });
  const [made] = column(say("last"));
  const L = chosen.hidden.length, count = run ? run.model.layers.at(-1).units : 1;
  for (let k = 0; k < count; k++) unit(made, L, k);
  mark();
  list_parts();
}

function mark() {
  units.slice(1).forEach((layer, L) => layer.forEach(({button}, k) =>
    button.setAttribute("aria-pressed", L === selected[0] && k === selected[1])));
}

