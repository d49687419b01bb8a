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

function draw() {
  document.body.classList.toggle("playing", playing);
  $("play").setAttribute("aria-pressed", playing);
  $("play").querySelector(".sign").textContent = playing ? "❚❚" : "▶";
  const lost = run && !Number.isFinite(run.now.train);
  $("numbers").textContent = lost ? say("say.lost") : numbers();
  const latest = run ? Math.max(...run.saved.keys()) : 0;
  Object.assign($("time"), {max: latest, value: run?.model.steps ?? 0});
  draw_output();
  for (const id of ["curve", "shape"]) $(id).setAttribute("aria-label", numbers());
  if (!run) return;
  draw_units();
  draw_wires();
  draw_curves($("curve"), run.curve, ghost?.run.curve ?? [], run.model.steps);
  $("curve").setAttribute("aria-label", say("curve.label", {numbers: numbers()}));
  document.querySelector(".legend .ghost").hidden = $("drop").hidden = !ghost;
  layer_table();
  unit_details();
}

function draw_output() {
  const canvas = $("plot"), context = canvas.getContext("2d"), size = canvas.width;
  if (chosen.data === "digits") {
    draw_digits(context, size, data.test, run.p);
    canvas.setAttribute("aria-label", say("digits.label", {numbers: numbers()}));
    return draw_guess();
  }
  context.fillStyle = colour("--zero");
  context.fillRect(0, 0, size, size);
  if (run) {
    const {model} = run, last = model.layers.at(-1);
    run.outputs = model.forward(plane, SIDE * SIDE);
    const p = probabilities(run);
    draw_answers(context, size, p, last.units, data.task);
    Object.assign(context, {strokeStyle: colour("--ink"), lineWidth: 3});
    if (data.task === "binary") draw_border(context, size, (i) => p[i] - 0.5);
    if (ghost && data.task === "binary") {
      ghost.run.outputs = ghost.run.model.forward(plane, SIDE * SIDE);
      const q = probabilities(ghost.run);
      Object.assign(context, {strokeStyle: colour("--ghost"), lineWidth: 4});
      context.setLineDash([10, 8]);
      draw_border(context, size, (i) => q[i] - 0.5);
      context.setLineDash([]);
    }
  }
  draw_points(context, size, data.test, data.task, true);
  draw_points(context, size, data.train, data.task, false);
  if (chosen.data === "points") {
    const [a, b] = cross, x = ((a + 1) / 2) * size, y = ((1 - b) / 2) * size;
    context.strokeStyle = colour("--ink");
    context.lineWidth = 2;
    context.strokeRect(x - 8, y - 8, 16, 16);
  }
  canvas.setAttribute("aria-label", say("plot.label", {numbers: numbers()}));
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

function draw_units() {
  const digits = chosen.data === "digits", lines = view();
  for (const {canvas, L, k} of units) {
    const layer = run.model.layers[L];
    if (L < 0) {
      if (!digits) picture(canvas, SIDE, SIDE, (i) => plane[2 * i + k], 1);
    } else if (!digits) {
      const values = L === run.model.layers.length - 1 ? probabilities(run) : run.outputs[L];
      picture(canvas, SIDE, SIDE, (i) => values[i * layer.units + k], largest_of(values, layer.units, k));
    } else if (L === 0) {
      const flat = {w: layer.W, g: layer.dW, change: run.model.change.subarray(layer.from)}[lines];
      picture(canvas, 8, 8, (i) => flat[i * layer.units + k], largest_of(flat.subarray(0, layer.W.length), layer.units, k));
    } else {
      const flat = {w: layer.W, g: layer.dW, change: run.model.change.subarray(layer.from)}[lines];
      picture(canvas, layer.inputs, 1, (i) => flat[i * layer.units + k], largest_of(flat.subarray(0, layer.W.length)));
    }
  }
}

const view = () => document.querySelector("input[name=lines]:checked").value;

function draw_wires() {
  const canvas = $("wires"), box = $("network"), scale = devicePixelRatio || 1;
  const {scrollWidth: width, scrollHeight: height} = $("columns");
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    Object.assign(canvas, {width: Math.round(width * scale), height: Math.round(height * scale)});
    Object.assign(canvas.style, {width: `${width}px`, height: `${height}px`});
  }
  const context = canvas.getContext("2d"), lines = view(), origin = $("columns").getBoundingClientRect();
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  const places = new Map();
  for (const {button, L, k} of units) {
    const {left, top, width: w, height: h} = button.getBoundingClientRect();
    places.set(`${L}/${k}`, [left - origin.left, top - origin.top + h / 2, w]);
  }
  run.model.layers.forEach((layer, L) => {
    if (L === 0 && chosen.data === "digits") return;
    const flat = {w: layer.W, g: layer.dW, change: run.model.change.subarray(layer.from, layer.from + layer.W.length)}[lines];
    const top = largest_of(flat) || 1;
    for (let j = 0; j < layer.inputs; j++)
      for (let k = 0; k < layer.units; k++) {
        const v = flat[j * layer.units + k], share = Math.abs(v) / top;
        if (!(share > 0.02)) continue;
        const [x0, y0, w] = places.get(`${L - 1}/${j}`), [x1, y1] = places.get(`${L}/${k}`);
        const of_selected = selected[0] === L && selected[1] === k;
        context.globalAlpha = of_selected ? 1 : 0.15 + 0.7 * share;
        context.strokeStyle = colour_of(v);
        context.lineWidth = 0.5 + 4 * share;
        context.beginPath();
        context.moveTo(x0 + w, y0);
        context.bezierCurveTo((x0 + w + x1) / 2, y0, (x0 + w + x1) / 2, y1, x1, y1);
        context.stroke();
      }
  });
  context.globalAlpha = 1;
  box.dataset.lines = lines;
}

function colour_of(v) {
  const {plus, minus} = ink();
  return `rgb(${v < 0 ? minus : plus})`;
}

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

function unit_details() {
  const count = run.model.layers.length;
  if (selected[0] >= count || selected[1] >= run.model.layers[selected[0]].units) selected = [0, 0];
  const [L, k] = selected, layer = run.model.layers[L];
  $("unit-name").textContent = L < count - 1 ? say("unit.of", {k: k + 1, L: L + 1}) : say("unit.output", {k: k + 1});
  const name = run.settings.layers[L].activation;
  draw_shape($("shape"), layer, Boolean(layer.rows));
  $("shape").setAttribute("aria-label", say("shape.label", {name}));
  const rows = [];
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

let units = [];  // {button, canvas, L, k}; L is -1 for the inputs

function columns() {
  const box = $("columns"), digits = chosen.data === "digits";
  box.replaceChildren();
  units = [];
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
    units.push({button, canvas, L, k});
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
}

function mark() {
  for (const {button, L, k} of units)
    if (L >= 0) button.setAttribute("aria-pressed", L === selected[0] && k === selected[1]);
}

