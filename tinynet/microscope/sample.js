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

function samples() { // as buttons: in the batch's order, and in the story the worst first
  const x = S.layers[0].x, every = [...Array(S.rows).keys()];
  const losses = every.map(n => rowOf(loss.values, n).reduce((a, b) => a + b, 0));
  choices($(".stop .samples"), x, every);
  choices($("#story .samples"), x, [...every].sort((a, b) => losses[b] - losses[a] || a - b));
}

function choices(box, x, order) {
  const top = range(A(x).data);
  box.innerHTML = order.map(n => {
    const right = loss.family === "softmax" && loss.per === 1 ? (target(n) === output(n) ? "right" : "wrong") : "";
    return `<button type="button" class="sample ${right}" data-n="${n}" aria-pressed="false" aria-label="${esc(plain("batch.sample"))} ${n}: ${esc(target(n))} → ${esc(output(n))}">${
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
  if (!(n >= 0 && n < S.rows)) return;
  Object.assign(state, { n: Math.floor(n), pixel: null, unit: null });
  for (const b of $$(".sample")) b.setAttribute("aria-pressed", Number(b.dataset.n) === state.n);
  maps.forEach(m => m.mark());
  tellPage();
  follow();
  chain();
}

function follow() {
  const n = state.n, x = S.layers[0].x, box = $(".follow");
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

function inputGradients(n) { // dL/dx of the model's input, where the way down is free
  for (const l of S.layers) {
    if (l.visited) return typeof l.dx === "string" && A(l.dx).data.length === A(S.layers[0].x).data.length ? rowOf(l.dx, n) : null;
    if (l.kind !== "flatten") return null;
  }
  return null;
}

const inputGradient = (n, i) => inputGradients(n)?.[i] ?? null;

// What a layer that works unit by unit multiplies unit k by, its batch's statistics held fixed
function factor(l, n, k) {
  if (l.kind === "dropout") return l.mask ? rowOf(l.mask, n)[k] : 1;
  if (l.kind === "activation") return l.slope ? rowOf(l.slope, n)[k] : 1;
  if (l.kind === "batchnorm") return l.scale[k];
  return 1;
}

// Of all paths from input i to an output, the one on which most of the input's own value arrives:
// the largest |value x weight x slope x weight ...|, unit by unit the best way to get there
function strongestPath(i, n) {
  let parts = new Map([[i, { part: rowOf(S.layers[0].x, n)[i], from: null }]]);
  for (const [L, l] of S.layers.entries()) {
    if (typeof l.x !== "string" || typeof l.y !== "string" || A(l.y).rows !== S.rows && l.kind !== "flatten") break;
    const next = new Map();
    if (l.kind === "flatten") continue;
    if (l.kind === "dense") {
      const W = A(S.params[l.params[0]].w), slope = l.slope ? rowOf(l.slope, n) : null;
      for (const [j, step] of parts) for (let k = 0; k < W.shape[1]; k++) {
        const w = W.at(j, k);
        if (w === undefined) continue;
        const arrives = step.part * w, part = arrives * (slope ? slope[k] : 1);
        if (part && !(Math.abs(part) <= Math.abs(next.get(k)?.part ?? 0))) next.set(k, { part, arrives, w, L, unit: k, source: j, from: step });
      }
    } else if (["activation", "dropout", "batchnorm"].includes(l.kind)) {
      for (const [j, step] of parts) {
        const part = step.part * factor(l, n, j);
        if (part) next.set(j, { part, L, unit: j, source: j, from: step });
      }
    } else break;
    if (!next.size) return { steps: [], stopped: l.name };
    parts = next;
  }
  let best = [...parts.values()].reduce((a, b) => Math.abs(b.part) > Math.abs(a.part) ? b : a);
  const steps = [];
  for (; best.from; best = best.from) steps.unshift(best);
  return { steps, stopped: null };
}

function pixel(i) {
  const box = $(".pixel"), n = state.n, x = rowOf(S.layers[0].x, n);
  if (!box || !(i >= 0 && i < x.length)) return;
  state.pixel = i;
  const name = S.image ? `(${Math.floor(i / S.image[1])}, ${i % S.image[1]})` : String(i), v = x[i], g = inputGradient(n, i);
  const { steps, stopped } = v === 0 ? { steps: [], stopped: null } : strongestPath(i, n);
  const rows = steps.map(s => {
    const l = S.layers[s.L];
    return [`<a href="#f${s.L}">${esc(l.name)}</a>`, s.source, s.unit, s.w === undefined ? "" : `${show(s.from.part)} × ${show(s.w)} = ${num(s.arrives)}`, num(s.part)];
  });
  const text = v === 0 ? T("pixel.zero") : g === null ? T("pixel.nograd", { v: num(v) }) : T("pixel.text", { v: num(v), g: num(g) });
  const end = stopped ? T("pixel.stopped", { layer: esc(stopped) }) : rows.length || v === 0 ? "" : T("pixel.nopath");
  box.innerHTML = `<h3>${T("pixel.title", { i: name, n })}</h3><p class="note">${text}</p>` +
    (rows.length ? table([T("follow.layer"), T("pixel.from"), T("pixel.to"), T("pixel.product"), T("pixel.share")], rows) : "") +
    (end ? `<p class="note">${end}</p>` : "") + (v === 0 ? `<button type="button" class="telling">${T("pixel.telling")}</button>` : "");
  $(".telling", box)?.addEventListener("click", () => { state.pixel = null; follow(); });
}

