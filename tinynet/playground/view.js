// What is drawn: pictures of units, connections, the answer over the plane, curves.

const SIDE = 40; // points of the plane along each axis
let inks = {}; // the page's colours; read again when the scheme changes
const colour = (name) => (inks[name] ??=
  getComputedStyle(document.documentElement).getPropertyValue(name).trim());

// The colours as [r, g, b]; `shades` are pixels from the full minus over zero to the full plus
function ink() {
  if (inks.shades) return inks;
  const read = (name) => {
    const context = document.createElement("canvas").getContext("2d");
    context.fillStyle = colour(name);
    context.fillRect(0, 0, 1, 1);
    return [...context.getImageData(0, 0, 1, 1).data].slice(0, 3);
  };
  const [plus, minus, zero, third] = ["--plus", "--minus", "--zero", "--third"].map(read);
  const bytes = new Uint8ClampedArray(4 * (2 * SHADES + 1));
  for (let i = -SHADES; i <= SHADES; i++)
    mix(zero, i < 0 ? minus : plus, Math.abs(i) / SHADES, bytes, 4 * (i + SHADES));
  return Object.assign(inks, {plus, minus, zero, classes: [plus, minus, third],
    shades: new Uint32Array(bytes.buffer)});
}
const SHADES = 255; // of each sign
const shade = (share) => ink().shades[SHADES + Math.round(SHADES * Math.max(-1, Math.min(1, share)) || 0)];
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  inks = {};
  fill();
  draw();
});

// The plane's points, row by row from the top
const plane = new Float64Array(SIDE * SIDE * 2);
for (let i = 0; i < SIDE * SIDE; i++) {
  plane[2 * i] = ((i % SIDE) / (SIDE - 1)) * 2 - 1;
  plane[2 * i + 1] = 1 - (Math.floor(i / SIDE) / (SIDE - 1)) * 2;
}

function mix(from, to, share, out, at) {
  for (let c = 0; c < 3; c++) out[at + c] = from[c] + (to[c] - from[c]) * share;
  out[at + 3] = 255;
}

const pixels = {}; // an image of each size, filled again and again, and its pixels as whole numbers
function pixels_of(width, height) {
  return (pixels[[width, height]] ??= (() => {
    const image = new ImageData(width, height);
    return {image, entries: new Uint32Array(image.data.buffer)};
  })());
}

// Every so many of the values from one on as a picture: `scale` and beyond is the full colour
function picture(canvas, width, height, values, every = 1, from = 0, scale = 1) {
  if (canvas.width !== width || canvas.height !== height)
    Object.assign(canvas, {width, height});
  const {image, entries} = pixels_of(width, height), part = 1 / (scale || 1);
  for (let i = 0; i < entries.length; i++) entries[i] = shade(values[i * every + from] * part);
  canvas.getContext("2d").putImageData(image, 0, 0);
}

function largest_of(values, every = 1, from = 0) {
  let top = 0;
  for (let i = from; i < values.length; i += every)
    if (Number.isFinite(values[i])) top = Math.max(top, Math.abs(values[i]));
  return top;
}

// The answers over the plane: probability, class or value
function draw_answers(context, size, p, C, task) {
  const {image, entries} = pixels_of(SIDE, SIDE), {zero, classes} = ink();
  for (let i = 0; i < SIDE * SIDE; i++)
    if (task === "classes") {
      const sum = [0, 0, 0];
      for (let k = 0; k < C; k++) for (let c = 0; c < 3; c++) sum[c] += p[i * C + k] * classes[k][c];
      mix(zero, sum, 0.75, image.data, 4 * i);
    } else entries[i] = shade(0.85 * Math.max(-1, Math.min(1, task === "binary" ? 2 * p[i] - 1 : p[i])));
  const small = draw_answers.small ??= Object.assign(document.createElement("canvas"),
    {width: SIDE, height: SIDE});
  small.getContext("2d").putImageData(image, 0, 0);
  context.imageSmoothingEnabled = true;
  const edge = size / (SIDE - 1) / 2; // the outer points lie on the border
  context.drawImage(small, -edge, -edge, size + 2 * edge, size + 2 * edge);
}

// Where the values are `level`, as line pieces through the cells of the plane
function draw_border(context, size, values, level) {
  const at = size / (SIDE - 1), corners = [[0, 0], [0, 1], [1, 1], [1, 0]];
  context.beginPath();
  for (let r = 0; r < SIDE - 1; r++)
    for (let c = 0; c < SIDE - 1; c++) {
      const side = ([down, right]) => values[(r + down) * SIDE + c + right] - level;
      const below = side(corners[0]) < 0;
      if (corners.every((corner) => side(corner) < 0 === below)) continue;
      const cuts = [];
      corners.forEach((from, k) => {
        const to = corners[(k + 1) % 4], a = side(from), b = side(to), t = a / (a - b);
        if (a < 0 !== b < 0)
          cuts.push([1, 0].map((i) => ((i ? c : r) + from[i] + (to[i] - from[i]) * t) * at));
      });
      for (let k = 0; k + 1 < cuts.length; k += 2) {
        context.moveTo(...cuts[k]);
        context.lineTo(...cuts[k + 1]);
      }
    }
  context.stroke();
}

// The points of the test below those of the training; they stay, and so does their picture
function draw_all_points(context, size, {train, test, task}) {
  const kept = draw_all_points;
  if (kept.train !== train || kept.inks !== ink()) {
    const canvas = Object.assign(document.createElement("canvas"), {width: size, height: size});
    draw_points(canvas.getContext("2d"), size, test, task, true);
    draw_points(canvas.getContext("2d"), size, train, task, false);
    Object.assign(kept, {canvas, train, inks});
  }
  context.drawImage(kept.canvas, 0, 0);
}

function draw_points(context, size, {x, y, N}, task, hollow) {
  const {plus, minus, classes} = ink(), paper = colour("--paper");
  for (let i = 0; i < N; i++) {
    const c = task === "classes" ? classes[y[i]] : (task === "binary" ? y[i] > 0.5 : y[i] >= 0) ? plus : minus;
    context.beginPath();
    context.arc(((x[2 * i] + 1) / 2) * size, ((1 - x[2 * i + 1]) / 2) * size, size / 110, 0, 7);
    context.fillStyle = hollow ? paper : `rgb(${c})`;
    context.strokeStyle = hollow ? `rgb(${c})` : paper;
    context.lineWidth = size / 300;
    context.fill();
    context.stroke();
  }
}

// Digits of the test with the answers, wrong ones first; a place is drawn when another comes there
function draw_digits(context, size, {x, y, N}, p) {
  const kept = draw_digits, said = Array.from({length: N}, (_, i) => largest(p, i * 10, 10));
  const order = Array.from({length: N}, (_, i) => i);
  order.sort((a, b) => (said[b] !== y[b]) - (said[a] !== y[a]) || a - b);
  if (kept.x !== x || kept.inks !== ink()) {
    context.clearRect(0, 0, size, size);
    Object.assign(kept, {x, inks, places: []});
  }
  const cell = size / 5, dot = (cell * 0.62) / 8;
  order.slice(0, 25).forEach((i, place) => {
    const column = (place % 5) * cell, row = Math.floor(place / 5) * cell;
    if (kept.places[place] === 10 * i + said[i]) return;
    kept.places[place] = 10 * i + said[i];
    context.clearRect(column, row, cell, cell);
    const left = column + cell * 0.19, top = row + cell * 0.04, wrong = said[i] !== y[i];
    context.fillStyle = colour("--ink");
    for (let j = 0; j < 64; j++) {
      context.globalAlpha = x[i * 64 + j];
      if (x[i * 64 + j])
        context.fillRect(left + (j % 8) * dot, top + Math.floor(j / 8) * dot, dot + 0.5, dot + 0.5);
    }
    context.globalAlpha = 1;
    context.fillStyle = wrong ? colour("--minus") : colour("--soft");
    context.font = `${wrong ? 700 : 400} ${cell * 0.2}px sans-serif`;
    context.textAlign = "center";
    context.fillText(wrong ? `${said[i]} ≠ ${y[i]}` : said[i], left + cell * 0.31, top + cell * 0.86);
  });
}

// Loss curves: lists of {step, train, test}; `now` is where time stands
function draw_curves(canvas, curve, ghost, now) {
  const context = canvas.getContext("2d"), {width, height} = canvas, left = 80, low = height - 34;
  context.clearRect(0, 0, width, height);
  const finite = [...curve, ...ghost].flatMap(({train, test}) => [train, test]).filter(Number.isFinite);
  const top = Math.max(...finite, 1e-6), last = Math.max(now, curve.at(-1)?.step ?? 0, 20);
  const px = (step) => left + ((width - left - 8) * step) / last;
  const py = (value) => low - ((low - 12) * value) / top;
  context.strokeStyle = colour("--line");
  context.fillStyle = colour("--soft");
  context.font = "20px sans-serif";
  context.lineWidth = 2;
  for (const share of [0, 0.5, 1]) {
    context.beginPath();
    context.moveTo(left, py(top * share));
    context.lineTo(width - 8, py(top * share));
    context.stroke();
    context.textAlign = "right";
    context.fillText(short(top * share), left - 8, py(top * share) + 7);
  }
  context.textAlign = "center";
  for (const share of [0, 0.5, 1])
    context.fillText(Math.round(last * share), Math.min(width - 24, Math.max(left, px(last * share))), height - 8);
  const line = (points, key, style, dash, thick) => {
    context.beginPath();
    points.forEach((p, i) => context[i ? "lineTo" : "moveTo"](px(p.step), py(Math.min(top, p[key]))));
    Object.assign(context, {strokeStyle: colour(style), lineWidth: thick});
    context.setLineDash(dash);
    context.stroke();
    context.setLineDash([]);
  };
  if (ghost.length) line(ghost.filter((p) => p.step <= last), "test", "--ghost", [8, 6], 3);
  line(curve, "train", "--soft", [], 3);
  line(curve, "test", "--plus", [], 4);
  context.fillStyle = colour("--ink");
  context.fillRect(px(now) - 1, 8, 2, low - 8);
}

// An activation and its slope between -3 and 3
function draw_shape(canvas, layer, softmax) {
  const context = canvas.getContext("2d"), {width, height} = canvas, n = 121;
  context.clearRect(0, 0, width, height);
  const x = Float64Array.from({length: n}, (_, i) => -3 + (6 * i) / (n - 1));
  const y = new Float64Array(n), slope = new Float64Array(n);
  const f = softmax ? formulas.activations.sigmoid : layer.formula;
  f.f(x, ...(softmax ? [] : layer.options), y);
  f.df(x, y, ...(softmax ? [] : layer.options), slope);
  const px = (v) => ((v + 3) / 6) * width, py = (v) => height / 2 - (v * height) / 6.4;
  context.lineWidth = 1.5;
  context.strokeStyle = colour("--line");
  for (const [a, b, c, d] of [[0, py(0), width, py(0)], [px(0), 0, px(0), height]]) {
    context.beginPath();
    context.moveTo(a, b);
    context.lineTo(c, d);
    context.stroke();
  }
  context.font = "15px sans-serif";
  context.fillStyle = colour("--soft");
  for (const v of [-2, -1, 1, 2]) {
    context.fillText(v, px(v) - 5, py(0) + 18);
    context.fillText(v, px(0) + 6, py(v) + 5);
  }
  for (const [values, style, dash] of [[slope, "--minus", [7, 5]], [y, "--plus", []]]) {
    context.beginPath();
    values.forEach((v, i) => context[i ? "lineTo" : "moveTo"](px(x[i]), py(v)));
    Object.assign(context, {strokeStyle: colour(style), lineWidth: 3});
    context.setLineDash(dash);
    context.stroke();
  }
  context.setLineDash([]);
  context.fillStyle = colour("--plus");
  context.fillText("f", 8, 18);
  context.fillStyle = colour("--minus");
  context.fillText("f′", 24, 18);
}

// A number for reading: three significant digits, true minus
function short(v) {
  if (!Number.isFinite(v)) return Number.isNaN(v) ? "NaN" : v > 0 ? "∞" : "−∞";
  const size = Math.abs(v);
  const text = v === 0 ? "0" : size >= 1e5 || size < 1e-4 ? v.toExponential(1) : v.toPrecision(3);
  return text.replace(/-/g, "−");
}
