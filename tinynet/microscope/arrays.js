const read = id => JSON.parse(document.getElementById(id).textContent);
const S = { ...read("data"), text: read("words") };
const $ = (q, root = document) => root.querySelector(q);
const $$ = (q, root = document) => [...root.querySelectorAll(q)];

// ------------------------------------------------------------------------------------- numbers

const TYPES = { f4: Float32Array, f8: Float64Array, u1: Uint8Array, i1: Int8Array, u2: Uint16Array,
  i2: Int16Array, i4: Int32Array, u4: Uint32Array };
const decoded = {};

function unpacked(text, Type = Uint8Array) { // the numbers that base64 stands for
  const raw = atob(text), bytes = new Uint8Array(raw.length);
  for (let k = 0; k < raw.length; k++) bytes[k] = raw.charCodeAt(k);
  return new Type(bytes.buffer);
}

function A(key) { // an array of the step: data, rows, cols, at(row, column)
  if (key == null) return null;
  if (decoded[key]) return decoded[key];
  const e = S.arrays[key], size = e.s.reduce((a, b) => a * b, 1);
  const data = "c" in e ? new TYPES[e.d](size).fill(e.c) : unpacked(e.b, TYPES[e.d]);
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

function languages(changed) { // calls `changed` now, and whenever the other language is chosen
  const wanted = document.documentElement.dataset.language || navigator.language || "";
  const listen = () => {
    document.documentElement.lang = korean() ? "ko" : "en";
    changed();
  };
  if (wanted.startsWith("ko")) $("#language-ko").checked = true;
  $$(".language").forEach(radio => radio.addEventListener("change", listen));
  listen();
}

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

