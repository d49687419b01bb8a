"use strict";
// The page is complete without this script; here are the maps, the walk and the drill-down.
(() => {
const S = JSON.parse(document.getElementById("step").textContent);
const $ = (q, root = document) => root.querySelector(q);
const $$ = (q, root = document) => [...root.querySelectorAll(q)];
const state = { n: 0, pixel: null };

// ------------------------------------------------------------------------------------- numbers

const TYPES = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, i1: Int8Array, u2: Uint16Array,
  i2: Int16Array, i4: Int32Array, u4: Uint32Array };
const decoded = {};

function A(key) { // an array of the step: data, rows, cols, at(row, column)
  if (key == null) return null;
  if (decoded[key]) return decoded[key];
  const e = S.arrays[key], size = e.s.reduce((a, b) => a * b, 1);
  let data;
  if ("c" in e) data = new TYPES[e.d](size).fill(e.c);
  else {
    const text = atob(e.b), bytes = new Uint8Array(text.length);
    for (let k = 0; k < text.length; k++) bytes[k] = text.charCodeAt(k);
    data = new TYPES[e.d](bytes.buffer);
  }
  const cols = e.s.length ? e.s[e.s.length - 1] : 1, rows = cols ? size / cols : 0;
  const full = e.f || null, i = full && e.j ? e.i : null, j = full ? e.j || e.i : null;
  const placeI = i && new Map(i.map((v, k) => [v, k])), placeJ = j && new Map(j.map((v, k) => [v, k]));
  const array = { data, rows, cols, shape: e.f || e.s, block: !!full, i, j, vector: e.s.length < 2 };
  array.at = (r, c) => {
    const a = placeI ? placeI.get(r) : r, b = placeJ ? placeJ.get(c) : c;
    return a === undefined || b === undefined ? undefined : data[a * cols + b];
  };
  return decoded[key] = array;
}

function rowOf(key, n) { // everything of sample n
  const a = A(key), size = a.data.length / S.rows;
  return a.data.subarray(n * size, (n + 1) * size);
}

const UP = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };

function show(v) {
  if (v === undefined || v === null) return "·";
  if (Number.isNaN(v)) return "NaN";
  if (!Number.isFinite(v)) return v > 0 ? "∞" : "−∞";
  if (v === 0) return "0";
  const exponent = Math.floor(Math.log10(Math.abs(Number(v.toExponential(3)))));
  if (exponent >= -4 && exponent < 5) return v.toFixed(Math.max(0, 3 - exponent)).replace("-", "−");
  return v.toExponential(2).split("e")[0].replace("-", "−") + "×10" +
    [...String(exponent)].map(c => UP[c]).join("");
}

const num = v => `<data value="${v}" title="${v}">${show(v)}</data>`;
const esc = t => String(t).replace(/[&<>"]/g, c => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" })[c]);
const norm = row => Math.sqrt(row.reduce((s, v) => s + v * v, 0));

// --------------------------------------------------------------------------------------- texts

const korean = () => $("#language-ko").checked;
const fill = (t, parts) => t.replace(/\{(\w+)\}/g, (m, k) => k in parts ? parts[k] : m);
const T = (key, parts = {}) => ["en", "ko"].map(l => `<span lang="${l}">${fill(S.text[key][l], parts)}</span>`).join("");
const plain = (key, parts = {}) => fill(S.text[key][korean() ? "ko" : "en"], parts);
const table = (head, rows, kind = "stats") =>
  `<div class="scroll" tabindex="0"><table class="${kind}"><thead><tr>${head.map(h => `<th scope="col">${h}</th>`).join("")}</tr></thead><tbody>${
    rows.map(r => `<tr><th scope="row">${r[0]}</th>${r.slice(1).map(c => `<td>${c}</td>`).join("")}</tr>`).join("")}</tbody></table></div>`;
const bar = (share, kind) => `<span class="bar ${kind}" aria-hidden="true"><i style="width:${(100 * Math.min(1, share)).toFixed(1)}%"></i></span>`;

// -------------------------------------------------------------------------------------- colours
// Blue - pale - orange: told apart with every common colour vision; the ends are equally dark.

const dark = matchMedia("(prefers-color-scheme: dark)");
const RAMPS = {
  light: { div: ["#08306b", "#2b6cb0", "#8fbce0", "#f6f3ec", "#f0b27a", "#cf6a16", "#7a2f04"],
           seq: ["#f6f3ec", "#f3c894", "#dd8a3e", "#a9530f", "#4f2203"] },
  dark: { div: ["#cfe6ff", "#7db4ea", "#2d629b", "#1c1f25", "#95521b", "#eb9a50", "#ffe2c2"],
          seq: ["#1c1f25", "#5a3413", "#b1651f", "#f0a75e", "#fff0dc"] },
};
const luts = {};

function lut(kind) {
  const name = (dark.matches ? "dark" : "light");
  if (luts[name + kind]) return luts[name + kind];
  const stops = RAMPS[name][kind].map(h => [1, 3, 5].map(k => parseInt(h.slice(k, k + 2), 16)));
  const out = [];
  for (let k = 0; k < 256; k++) {
    const at = k / 255 * (stops.length - 1), a = Math.min(stops.length - 2, Math.floor(at)), f = at - a;
    out.push(stops[a].map((v, c) => Math.round(v + (stops[a + 1][c] - v) * f)));
  }
  return luts[name + kind] = out;
}

function paint(canvas, cells, rows, cols, top, kind) { // one canvas pixel per cell
  canvas.width = Math.max(1, cols);
  canvas.height = Math.max(1, rows);
  const context = canvas.getContext("2d"), image = context.createImageData(canvas.width, canvas.height), colours = lut(kind);
  for (let k = 0; k < rows * cols; k++) {
    const v = cells[k], share = kind === "div" ? (v / top + 1) / 2 : v / top;
    const c = Number.isFinite(share) ? colours[Math.max(0, Math.min(255, Math.round(share * 255)))] : [255, 0, 200];
    image.data.set([c[0], c[1], c[2], 255], 4 * k);
  }
  context.putImageData(image, 0, 0);
}

function range(data) {
  let low = Infinity, high = -Infinity;
  for (const v of data) { if (v < low) low = v; if (v > high) high = v; }
  return { low, high, top: Math.max(Math.abs(low), Math.abs(high)) || 1, kind: low < 0 ? "div" : "seq" };
}

// ------------------------------------------------------------------------------------ heat maps

const MOST = { rows: 112, cols: 168 };

class HeatMap {
  constructor(figure) {
    this.figure = figure;
    this.array = A(figure.dataset.a);
    this.pick = figure.dataset.pick === undefined ? null : Number(figure.dataset.pick);
    this.name = $("b", figure).textContent;
    this.cursor = [0, 0];
    this.samples = !!$("figcaption small", figure);
    figure.insertAdjacentHTML("beforeend",
      `<div class="plate"><canvas tabindex="0" role="application"></canvas><i class="cursor" hidden></i><i class="marked" hidden></i></div>
       <div class="legend" aria-hidden="true"><span></span><i></i><span></span></div>
       <p class="scale"></p><output aria-live="polite"></output>`);
    this.canvas = $("canvas", figure);
    this.shrink();
    this.canvas.addEventListener("pointermove", e => this.point(e));
    this.canvas.addEventListener("click", e => { this.point(e); this.choose(); });
    this.canvas.addEventListener("keydown", e => this.key(e));
    this.canvas.addEventListener("focus", () => this.tell());
    this.canvas.addEventListener("blur", () => { $(".cursor", figure).hidden = true; });
    this.draw();
  }

  shrink() { // cells of a x b entries, each showing the entry of largest magnitude
    const { rows, cols, data } = this.array;
    this.a = Math.ceil(rows / MOST.rows) || 1;
    this.b = Math.ceil(cols / MOST.cols) || 1;
    this.rows = Math.ceil(rows / this.a);
    this.cols = Math.ceil(cols / this.b);
    this.best = new Int32Array(this.rows * this.cols).fill(-1);
    for (let r = 0; r < rows; r++) for (let c = 0; c < cols; c++) {
      const cell = Math.floor(r / this.a) * this.cols + Math.floor(c / this.b), k = r * cols + c;
      if (this.best[cell] < 0 || Math.abs(data[k]) > Math.abs(data[this.best[cell]])) this.best[cell] = k;
    }
    this.range = range(data);
  }

  draw() {
    const { data } = this.array, { low, high, top, kind } = this.range;
    paint(this.canvas, Array.from(this.best, k => data[k]), this.rows, this.cols, top, kind);
    const tall = Math.max(this.rows > 1 ? 14 : 22, Math.min(this.rows * 20, 120 + 1.8 * this.rows));
    this.canvas.style.height = `${tall}px`;
    this.canvas.style.width = this.cols * 26 < 250 ? `${Math.max(this.cols * 26, 26)}px` : "100%";
    const [left, right] = $$(".legend span", this.figure);
    left.textContent = show(kind === "div" ? -top : 0);
    right.textContent = show(top);
    const colours = lut(kind), stops = [0, 42, 85, 128, 170, 213, 255].map(k => `rgb(${colours[k]})`);
    $(".legend i", this.figure).style.background = `linear-gradient(90deg, ${stops})`;
    const notes = [];
    if (this.array.block) notes.push(T("map.block", { a: this.array.rows, b: this.array.cols }));
    if (this.a * this.b > 1) notes.push(T("map.cells", { a: this.a, b: this.b }));
    if (this.pick !== null) notes.push(T("map.click"));
    $(".scale", this.figure).innerHTML = notes.join(" · ");
    this.canvas.setAttribute("aria-label", `${this.name} ${this.array.shape.join("×")}, ${show(low)} … ${show(high)}`);
    this.mark();
  }

  entry() { // [row, column, value] of the entry that the cursor's cell shows
    const k = this.best[this.cursor[0] * this.cols + this.cursor[1]], { cols, i, j, data } = this.array;
    const r = Math.floor(k / cols), c = k % cols;
    return [i ? i[r] : r, j ? j[c] : c, data[k]];
  }

  tell() {
    const [r, c, v] = this.entry(), where = this.array.vector ? `[${c}]` : `[${r}, ${c}]`;
    $("output", this.figure).textContent = `${this.name}${where} = ${show(v)}`;
    const box = $(".cursor", this.figure), w = this.canvas.clientWidth / this.cols, h = this.canvas.clientHeight / this.rows;
    Object.assign(box.style, { left: `${this.cursor[1] * w}px`, top: `${this.cursor[0] * h}px`, width: `${Math.max(3, w)}px`, height: `${Math.max(3, h)}px` });
    box.hidden = false;
  }

  point(event) {
    const box = this.canvas.getBoundingClientRect();
    const at = (v, size, count) => Math.max(0, Math.min(count - 1, Math.floor(v / size * count)));
    this.cursor = [at(event.clientY - box.top, box.height, this.rows), at(event.clientX - box.left, box.width, this.cols)];
    this.tell();
  }

  key(event) {
    const moves = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
    if (event.key in moves) {
      const [dr, dc] = moves[event.key];
      this.cursor = [Math.max(0, Math.min(this.rows - 1, this.cursor[0] + dr)), Math.max(0, Math.min(this.cols - 1, this.cursor[1] + dc))];
      this.tell();
    } else if (event.key === "Enter" || event.key === " ") this.choose();
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  choose() {
    const [r, c] = this.entry();
    if (this.pick !== null) pickWeight(this.pick, this.array.vector ? null : r, c, true);
    else if (this.samples) selectSample(Math.floor(r / (this.array.rows / S.rows)));
  }

  mark() { // the chosen sample's rows
    const box = $(".marked", this.figure), per = this.array.rows / S.rows;
    if (!this.samples || S.rows < 2 || per < 1 || per % 1) return;
    const tall = parseFloat(this.canvas.style.height) / this.array.rows;
    Object.assign(box.style, { top: `${state.n * per * tall}px`, height: `${Math.max(2, per * tall)}px`, width: this.canvas.style.width });
    box.hidden = false;
  }
}

const maps = new Map();

function drawIn(root) {
  for (const figure of $$("figure.map", root)) {
    if (!maps.has(figure) && figure.offsetParent !== null) maps.set(figure, new HeatMap(figure));
  }
}

// ----------------------------------------------------------------------------------- the walk

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
  history.replaceState(null, "", `#${stops[here].id}`);
  drawIn(everything ? document : stops[here]);
  for (const [side, other] of [["prev", here - 1], ["next", here + 1]]) {
    const button = $(`.walk .${side}`), target = stops[other];
    button.disabled = !target;
    $("b", button).innerHTML = target ? $("h2", target).innerHTML : "";
  }
  if (everything) stops[here].scrollIntoView();
  if (focus) {
    stops[here].focus({ preventScroll: true });
    const top = $("main").getBoundingClientRect().top, bar = $(".strip").offsetHeight;
    if (top < 0 || top > innerHeight * 0.7) scrollBy(0, top - bar - 16);
  }
}

const goTo = (id, focus) => go(stops.findIndex(s => s.id === id), focus);

function open(hash) { // a stop, or a piece of source
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
  $("main").insertAdjacentHTML("beforeend",
    `<div class="walk"><button type="button" class="prev"><small>← ${T("prev")}</small><b></b></button>
     <button type="button" class="next"><small>${T("next")} →</small><b></b></button></div>`);
  $(".walk .prev").addEventListener("click", () => go(here - 1, true));
  $(".walk .next").addEventListener("click", () => go(here + 1, true));
  $(".strip .tail").insertAdjacentHTML("beforeend",
    `<button type="button" class="all" aria-pressed="false">${T("strip.all")}</button><span class="keys">${T("strip.hint")}</span>`);
  $(".all").addEventListener("click", () => {
    everything = !everything;
    $(".all").setAttribute("aria-pressed", everything);
    document.body.classList.toggle("everything", everything);
    go(here);
  });
  document.addEventListener("click", event => {
    const link = event.target.closest('a[href^="#"]');
    if (link && open(link.getAttribute("href"))) event.preventDefault();
  });
  document.addEventListener("keydown", event => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.target.closest("input, canvas, pre")) return;
    const scroller = event.target.closest(".scroll");
    if (scroller && scroller.scrollWidth > scroller.clientWidth) return;
    const target = { ArrowLeft: here - 1, ArrowRight: here + 1, Home: 0, End: stops.length - 1 }[event.key];
    if (target === undefined) return;
    event.preventDefault();
    go(target, true);
  });
  addEventListener("hashchange", () => open(location.hash));
}

// -------------------------------------------------------------------------------- one sample

const loss = S.loss, C = A(loss.output).cols;

function target(n) {
  const y = rowOf(loss.y, n);
  if (loss.ids) return String(y[0]);
  const hot = y.length > 1 && y.reduce((a, b) => a + b, 0) === 1 && Math.max(...y) === 1;
  return hot ? String(y.indexOf(1)) : [...y.slice(0, 3)].map(show).join(", ") + (y.length > 3 ? " …" : "");
}

function output(n) {
  const p = rowOf(loss.p, n);
  if (loss.family !== "softmax" || loss.per > 1) return [...p.slice(0, 3)].map(show).join(", ") + (p.length > 3 ? " …" : "");
  return String(p.indexOf(Math.max(...p)));
}

function samples() {
  const x = S.layers[0].x;
  if (Array.isArray(x) || x == null) return;
  const box = $(".samples"), top = range(A(x).data);
  box.innerHTML = Array.from({ length: S.rows }, (_, n) => {
    const right = loss.family === "softmax" && loss.per === 1 ? (target(n) === output(n) ? "right" : "wrong") : "";
    return `<button type="button" class="sample ${right}" data-n="${n}" aria-pressed="false" aria-label="${n}">${
      S.image ? "<canvas></canvas>" : ""}<span>${S.image ? "" : `<b>${n}</b> `}${esc(target(n))} → ${esc(output(n))}</span></button>`;
  }).join("");
  for (const button of $$(".sample", box)) {
    const n = Number(button.dataset.n);
    if (S.image) paint($("canvas", button), rowOf(x, n), ...S.image, top.top, top.kind);
    button.addEventListener("click", () => selectSample(n));
  }
}

function strip(canvas, row, most = 160) { // a row of numbers as a row of cells
  const step = Math.ceil(row.length / most), cells = [];
  for (let k = 0; k < row.length; k += step) {
    let best = row[k];
    for (let q = k; q < Math.min(row.length, k + step); q++) if (Math.abs(row[q]) > Math.abs(best)) best = row[q];
    cells.push(best);
  }
  const r = range(cells);
  paint(canvas, cells, 1, cells.length, r.top, r.kind);
}

function selectSample(n) {
  state.n = Math.max(0, Math.min(S.rows - 1, n));
  for (const b of $$(".sample")) b.setAttribute("aria-pressed", Number(b.dataset.n) === state.n);
  maps.forEach(m => m.mark());
  follow();
  chain();
}

function follow() {
  const n = state.n, x = S.layers[0].x, box = $(".follow");
  if (Array.isArray(x) || x == null) return;
  const rows = S.layers.map((l, L) => {
    if (typeof l.y !== "string") return null;
    const y = rowOf(l.y, n), k = y.reduce((best, v, q) => Math.abs(v) > Math.abs(y[best]) ? q : best, 0);
    const d = typeof l.d === "string" && l.visited ? num(norm(rowOf(l.d, n))) : "—";
    return [`<a href="#f${L}">${esc(l.name)}</a>`, `<canvas class="row" data-L="${L}"></canvas>`, `${k}: ${num(y[k])}`, d];
  }).filter(Boolean);
  const picture = S.image ? `<div class="plate big"><canvas tabindex="0" role="application" aria-label="${esc(plain("pixel.pick"))}"></canvas><i class="cursor" hidden></i></div>`
    : `<label>x <input type="number" min="0" max="${rowOf(x, n).length - 1}" value="${state.pixel ?? telling(n)}" class="pixel-number"></label>`;
  box.innerHTML = `<div class="picture">${picture}<p class="note">${T(S.image ? "pixel.pick" : "pixel.number")}</p></div>
    <div><h3>${T("follow.title", { n })}</h3><p class="note">${T("batch.target")}: <b>${esc(target(n))}</b> · ${T("batch.output")}: <b>${esc(output(n))}</b> · ${T("batch.loss")}: ${num(rowOf(loss.values, n).reduce((a, b) => a + b, 0))}</p>
    ${table([T("follow.layer"), T("follow.values"), T("follow.top"), T("follow.back")], rows)}</div><div class="pixel" aria-live="polite"></div>`;
  for (const canvas of $$("canvas.row", box)) strip(canvas, rowOf(S.layers[canvas.dataset.l].y, n));
  if (S.image) picturePicker($(".picture canvas", box), rowOf(x, n));
  else $(".pixel-number", box).addEventListener("input", e => pixel(Number(e.target.value)));
  pixel(state.pixel ?? telling(n));
}

function telling(n) { // the input that the loss leans on most: the largest |value x gradient|
  const x = rowOf(S.layers[0].x, n), weigh = q => Math.abs(x[q] * (inputGradient(n, q) ?? 1));
  return x.reduce((best, v, q) => weigh(q) > weigh(best) ? q : best, 0);
}

function picturePicker(canvas, row) {
  const [h, w] = S.image, all = range(A(S.layers[0].x).data), box = canvas.nextElementSibling;
  paint(canvas, row, h, w, all.top, all.kind);
  const choose = (r, c) => {
    Object.assign(box.style, { left: `${100 * c / w}%`, top: `${100 * r / h}%`, width: `${100 / w}%`, height: `${100 / h}%` });
    box.hidden = false;
    pixel(r * w + c);
  };
  canvas.addEventListener("click", e => {
    const b = canvas.getBoundingClientRect();
    choose(Math.min(h - 1, Math.max(0, Math.floor((e.clientY - b.top) / b.height * h))), Math.min(w - 1, Math.max(0, Math.floor((e.clientX - b.left) / b.width * w))));
  });
  canvas.addEventListener("keydown", e => {
    const move = { ArrowUp: -w, ArrowDown: w, ArrowLeft: -1, ArrowRight: 1 }[e.key];
    if (!move) return;
    e.preventDefault();
    e.stopPropagation();
    const k = Math.max(0, Math.min(w * h - 1, (state.pixel ?? 0) + move));
    choose(Math.floor(k / w), k % w);
  });
  const k = state.pixel ?? telling(state.n);
  Object.assign(box.style, { left: `${100 * (k % w) / w}%`, top: `${100 * Math.floor(k / w) / h}%`, width: `${100 / w}%`, height: `${100 / h}%` });
  box.hidden = false;
}

function inputGradient(n, i) { // dL/dx of the model's input, where the way down is free
  for (const l of S.layers) {
    if (l.visited) return typeof l.dx === "string" && A(l.dx).data.length === A(S.layers[0].x).data.length ? rowOf(l.dx, n)[i] : null;
    if (l.kind !== "flatten") return null;
  }
  return null;
}

function pixel(i) {
  const box = $(".pixel"), n = state.n, x = rowOf(S.layers[0].x, n);
  if (!box || !(i >= 0 && i < x.length)) return;
  state.pixel = i;
  const name = S.image ? `(${Math.floor(i / S.image[1])}, ${i % S.image[1]})` : String(i), v = x[i], g = inputGradient(n, i);
  const rows = [];
  let unit = i, value = v;
  for (const l of v === 0 ? [] : S.layers) {
    if (typeof l.x !== "string" || typeof l.y !== "string") break;
    if (l.kind === "dense") {
      const W = A(S.params[l.params[0]].w), H = W.shape[1], slope = l.slope && rowOf(l.slope, n);
      let best = -1, most = -1;
      for (let j = 0; j < H; j++) {
        const w = W.at(unit, j);
        const size = w === undefined ? -1 : Math.abs(value * w) * (slope ? Math.abs(slope[j]) : 1);
        if (size > most) { most = size; best = j; }
      }
      if (best < 0 || rowOf(l.y, n).length !== H) break;
      const w = W.at(unit, best), z = rowOf(l.z || l.y, n)[best];
      rows.push([`<a href="#f${S.layers.indexOf(l)}">${esc(l.name)}</a>`, `${unit}: ${num(value)}`, best, `${show(value)} × ${show(w)} = ${num(value * w)}`, num(z)]);
      unit = best;
    } else if (!["flatten", "activation", "dropout", "batchnorm"].includes(l.kind)) break;
    else if (l.kind !== "flatten") rows.push([`<a href="#f${S.layers.indexOf(l)}">${esc(l.name)}</a>`, `${unit}: ${num(value)}`, unit, "", num(rowOf(l.y, n)[unit])]);
    value = rowOf(l.y, n)[unit];
    if (value === 0) break;
  }
  const text = v === 0 ? T("pixel.zero") : g === null ? T("pixel.nograd", { v: num(v) }) : T("pixel.text", { v: num(v), g: num(g) });
  box.innerHTML = `<h3>${T("pixel.title", { i: name, n })}</h3><p class="note">${text}</p>` +
    (rows.length ? table([T("follow.layer"), T("pixel.from"), T("pixel.to"), T("pixel.product"), T("pixel.share")], rows) : "");
}

// -------------------------------------------------------------------------------- one weight

const picked = new Map(); // layer -> what its drill shows

function pickWeight(k, i, j, walkThere = false) {
  const p = S.params[k], L = S.layers.findIndex(l => l.params.includes(k)), layer = S.layers[L];
  const box = $(`.drill[data-layer="${L}"]`);
  if (!box || !layer.visited) return;
  picked.set(L, [k, i, j]);
  if (walkThere && stops[here].id !== `b${L}` && !everything) goTo(`b${L}`, true);
  const x = i === null ? null : A(layer.x), d = A(layer.d), name = layer.symbol;
  const terms = [];
  for (let n = 0; n < d.rows; n++) {
    const a = x ? x.at(n, i) : 1, b = d.at(n, j);
    terms.push({ n, a, b, term: a * b });
  }
  const total = terms.reduce((s, t) => s + t.term, 0), largest = Math.max(...terms.map(t => Math.abs(t.term))) || 1;
  const kept = [...terms].sort((s, t) => Math.abs(t.term) - Math.abs(s.term))
    .slice(0, 16).filter((t, k) => k === 0 || t.term !== 0).sort((s, t) => s.n - t.n);
  const rows = kept.map(t => [t.n, num(t.a), num(t.b), num(t.term) + bar(Math.abs(t.term) / largest, t.term < 0 ? "neg" : "pos")]);
  if (terms.length > kept.length) rows.push([T("drill.others", { n: terms.length - kept.length }), "", "", num(total - kept.reduce((s, t) => s + t.term, 0))]);
  rows.push([`<b>${T("drill.sum")}</b>`, "", "", `<b class="sum">${num(total)}</b>`]);
  const at = key => key == null ? undefined : i === null ? A(key).at(0, j) : A(key).at(i, j);
  const penalty = p.penalty ? at(p.penalty) : 0, g = at(p.g);
  if (S.rows < S.count && g !== undefined) rows.push([T("drill.rest", { n: S.count - S.rows }), "", "", num(g - total - (penalty || 0))]);
  if (p.penalty) rows.push([T("drill.penalty"), "", "", num(penalty)]);
  rows.push([`<b>${T("drill.backward")}</b>`, "", "", g === undefined ? T("drill.block") : `<b class="backward">${num(g)}</b>`]);
  const where = i === null ? `[${j}]` : `[${i}, ${j}]`, shape = p.shape;
  const fields = (i === null ? "" : `<label>${T("drill.row")} <input type="number" class="pick-i" min="0" max="${shape[0] - 1}" value="${i}"></label>`) +
    `<label>${T("drill.column")} <input type="number" class="pick-j" min="0" max="${shape[shape.length - 1] - 1}" value="${j}"></label>`;
  const facts = [["w", at(p.w)], ["g", g], ...Object.keys(p.state).flatMap(s => [[s, at(p.state[s])], [`${s} →`, at(p.state_after[s])]]), [plain("update.after"), at(p.after)]];
  box.innerHTML = `<h3>${T("drill.title", { p: `<code>${esc(p.path)}${where}</code>` })}</h3>
    <p class="note">${T("drill.text")} ${i === null ? T("drill.bias") : ""}</p><div class="fields">${fields}</div>
    <div class="split">${table([T("drill.sample"), i === null ? "1" : `x[n, ${i}]`, `${name}[n, ${j}]`, T("drill.term")], rows, "terms")}<div class="unit"></div></div>
    <dl class="numbers">${facts.filter(f => f[1] !== undefined).map(([f, v]) => `<div><dt>${f}</dt><dd>${num(v)}</dd></div>`).join("")}</dl>`;
  if (i !== null) unit($(".unit", box), k, i, j);
  const again = () => {
    const a = i === null ? null : Number($(".pick-i", box).value), b = Number($(".pick-j", box).value);
    const focused = document.activeElement.className;
    if ((a === null || a >= 0 && a < shape[0]) && b >= 0 && b < shape[shape.length - 1]) pickWeight(k, a, b);
    if (focused) $(`.${focused}`, box)?.focus();
  };
  $$("input", box).forEach(field => field.addEventListener("change", again));
  if (walkThere) box.scrollIntoView({ block: "nearest" });
}

function unit(box, k, i, j) { // all weights of unit j as a picture, where its inputs are one
  const p = S.params[k], [h, w] = S.image || [0, 0];
  if (!S.image || p.shape[0] !== h * w || S.layers.findIndex(l => l.params.includes(k)) !== S.layers.findIndex(l => l.kind === "dense")) return;
  for (const [name, key] of [["W", p.w], ["dW", p.g]]) {
    const a = A(key);
    if (!a || a.block) continue;
    const cells = Array.from({ length: h * w }, (_, r) => a.at(r, j)), r = range(cells);
    box.insertAdjacentHTML("beforeend", `<figure><div class="plate"><canvas role="img" aria-label="${name}[:, ${j}]"></canvas><i class="cursor"></i></div><figcaption>${name}[:, ${j}]</figcaption></figure>`);
    const canvas = box.lastElementChild.querySelector("canvas");
    paint(canvas, cells, h, w, r.top, r.kind);
    Object.assign(canvas.nextElementSibling.style, { left: `${100 * (i % w) / w}%`, top: `${100 * Math.floor(i / w) / h}%`, width: `${100 / w}%`, height: `${100 / h}%` });
    canvas.addEventListener("click", e => {
      const b = canvas.getBoundingClientRect();
      pickWeight(k, Math.min(h - 1, Math.floor((e.clientY - b.top) / b.height * h)) * w + Math.min(w - 1, Math.floor((e.clientX - b.left) / b.width * w)), j);
    });
  }
}

// ---------------------------------------------------------------------------------- the loss

function chain() {
  const box = $(".chain"), n = state.n, r = n * loss.per, w = A(loss.w).data[r];
  const row = key => { const a = A(key); return Array.from(a.data.subarray(r * a.cols, (r + 1) * a.cols)); };
  const out = row(loss.output), engine = row(loss.dp), family = loss.family;
  let y = [];
  if (family !== "other") {
    y = loss.ids ? out.map((_, c) => Number(c === A(loss.y).data[r])) : row(loss.y);
    const s = loss.smoothing;
    if (s) y = y.map(v => v * (1 - s) + s / (family === "sigmoid" ? 2 : C));
  }
  const chosen = engine.map((v, c) => c).sort((a, b) => Math.abs(engine[b]) - Math.abs(engine[a]) || a - b).slice(0, 12).sort((a, b) => a - b);
  let head, columns;
  if (family === "softmax" || family === "sigmoid") {
    const p = row(loss.p);
    const dp = p.map((v, c) => family === "softmax" ? (y[c] ? -w * y[c] / Math.max(v, 1e-300) : 0) : (v - y[c]) * w / C / Math.max(v * (1 - v), 1e-300));
    const dot = p.reduce((s, v, c) => s + v * dp[c], 0), whole = y.reduce((a, b) => a + b, 0);
    const long = p.map((v, c) => family === "softmax" ? v * (dp[c] - dot) : dp[c] * v * (1 - v));
    const short = p.map((v, c) => family === "softmax" ? w * (v * whole - y[c]) : w * (v - y[c]) / C);
    head = ["z", "p", "y", "dL/dp", T("loss.chain"), T(family === "softmax" ? "loss.direct" : "loss.direct.sigmoid"), T("loss.engine")];
    columns = [out, p, y, dp, long, short, engine];
    if (family === "softmax") jacobian(p, dp, short);
  } else if (family === "squared") {
    head = ["p", "y", T("loss.direct.squared"), T("loss.engine")];
    columns = [out, y, out.map((v, c) => 2 * (v - y[c]) * w / C), engine];
  } else {
    head = ["p", T("loss.engine")];
    columns = [out, engine];
  }
  box.innerHTML = `<p class="note">${T(`loss.${family}.text`, { n })}</p>
    <div class="fields"><label>${T("batch.choose")} <input type="number" class="pick-n" min="0" max="${S.rows - 1}" value="${n}"></label></div>` +
    table([T("loss.class"), ...head], chosen.map(c => [c, ...columns.map(v => num(v[c]))])) +
    (C > 12 ? `<p class="note">${T("loss.most", { k: 12, n: C })}</p>` : "");
  $(".pick-n", box).addEventListener("change", e => { selectSample(Number(e.target.value)); $(".pick-n").focus(); });
}

function jacobian(p, dp, dz) { // J beside the vectors it stands between
  const box = $(".jacobian"), K = p.length;
  if (!box || K > 64) return;
  const cells = [];
  for (let a = 0; a < K; a++) for (let b = 0; b < K; b++) cells.push((a === b ? p[a] : 0) - p[a] * p[b]);
  box.innerHTML = `<div><canvas class="J" role="img" aria-label="J ${K}×${K}"></canvas><small>${T("loss.jacobian")} (${K}, ${K})</small></div><b>·</b>
    <div><canvas class="v" role="img" aria-label="dL/dp"></canvas><small>dL/dp</small></div><b>=</b><div><canvas class="v" role="img" aria-label="dL/dz"></canvas><small>(p − y) w</small></div>`;
  const [J, a, b] = $$("canvas", box), top = v => range(v).top;
  paint(J, cells, K, K, top(cells), "div");
  paint(a, dp, K, 1, top(dp), "div");
  paint(b, dz, K, 1, top(dz), "div");
}

// --------------------------------------------------------------------------------------- start

document.documentElement.classList.add("js");
for (const d of $$("data")) d.title = d.value;
const language = () => { document.documentElement.lang = korean() ? "ko" : "en"; };
if ((navigator.language || "").startsWith("ko")) $("#language-ko").checked = true;
$$(".language").forEach(radio => radio.addEventListener("change", language));
language();
walk();
samples();
selectSample(0);
for (const box of $$(".drill")) pickWeight(Number(box.dataset.param), Number(box.dataset.i), Number(box.dataset.j));
dark.addEventListener("change", () => {
  maps.forEach(m => m.draw());
  samples();
  selectSample(state.n);
  for (const [k, i, j] of picked.values()) pickWeight(k, i, j);
});
addEventListener("resize", () => $$(".cursor").forEach(c => { if (!c.closest(".big")) c.hidden = true; }));
if (!open(location.hash)) go(0);
})();
