// ------------------------------------------------------------------------- the story's five pages

const MOST_BARS = 12;
const rowsOf = (key, n) => { // the rows of sample n: one, or more in a sequence
  const a = A(key), per = a.rows / S.rows;
  return Array.from({ length: per }, (_, r) => a.data.subarray((n * per + r) * a.cols, (n * per + r + 1) * a.cols));
};
const say = (key, parts) => `<p class="say">${T(key, parts)}</p>`;

function lossOf(n, key = "values") { // the sample's own loss, before its weight in the batch
  const values = rowOf(loss[key], n), w = rowOf(loss.w, n);
  return values.reduce((s, v, r) => s + (w[r] ? v / w[r] : 0), 0) / values.length;
}

function classOf(n) { // the class that would have been right; null where there is none
  const y = rowOf(loss.y, n);
  if (loss.ids) return y.length === 1 ? y[0] : null;
  return y.length > 1 && y.reduce((a, b) => a + b, 0) === 1 && Math.max(...y) === 1 ? y.indexOf(1) : null;
}

// Numbers as bars from a middle line (or from the left, if none is negative)
function bars(title, names, series, notes = () => "") {
  const all = series.flatMap(s => s.values), top = largest(all), signed = all.some(v => v < 0);
  const rows = names.map((name, k) => `<tr class="${notes(k)}"><th scope="row">${esc(name)}</th><td class="track">${series.map(s => {
    const v = s.values[k], width = (signed ? 50 : 100) * Math.min(1, Math.abs(v) / top) || 0;
    return `<i class="${v < 0 ? "neg" : "pos"} ${s.kind}" style="width:${width.toFixed(1)}%;margin-left:${!signed ? 0 : v < 0 ? (50 - width).toFixed(1) : 50}%"></i>`;
  }).join("")}</td>${series.map(s => `<td class="${s.kind}">${num(s.values[k])}</td>`).join("")}</tr>`);
  return `<table class="bars${signed ? " signed" : ""}"><caption>${title}</caption><tbody>${rows.join("")}</tbody></table>`;
}

function chosenOutputs(n) { // at most twelve, with the right one and the strongest
  const p = rowOf(loss.p, n), d = rowOf(loss.dp, n), right = classOf(n);
  return topBy(p.length, MOST_BARS, k => (k === right ? 9 : 0) + Math.abs(p[k]) / largest([...p]) + Math.abs(d[k]) / largest([...d]));
}

const outputNote = n => { const shown = chosenOutputs(n); return k => shown[k] === classOf(n) ? "right" : ""; };

// All inputs' numbers of one unit: a picture where the inputs are one, else the largest as bars
function face(title, cells, ident) {
  const small = `<figcaption>${title}</figcaption>`;
  if (!cells) return `<figure class="face">${small}<p class="note">${T("story.cut")}</p></figure>`;
  if (pictured()) return `<figure class="face"><canvas role="img" data-face="${ident}" aria-label="${esc(ident)}"></canvas>${small}<p class="scale">±${show(largest([...cells]))}</p></figure>`;
  const shown = topBy(cells.length, 8, k => Math.abs(cells[k]));
  return `<div class="face">${bars(title, shown.map(k => `x${k}`), [{ values: shown.map(k => cells[k]), kind: "" }])}</div>`;
}

const pictured = () => S.image && S.story.first !== null && S.params[S.layers[S.story.first].params[0]].shape[0] === S.image[0] * S.image[1];

function paintFaces(box, faces) {
  for (const canvas of $$("[data-face]", box)) {
    const cells = faces[canvas.dataset.face], r = range(cells);
    paint(canvas, cells, ...S.image, r.top, canvas.dataset.face === "x" ? r.kind : "div");
  }
}

function taught() { // the followed unit j and its column of the weights, in every state
  const L = S.story.first;
  if (L === null) return null;
  const l = S.layers[L], p = S.params[l.params[0]], j = followed(), after = S.story.columns_after;
  const column = (key, other) => {
    for (const k of [key, other]) {
      if (k == null) continue;
      const a = A(k), cells = Array.from({ length: p.shape[0] }, (_, i) => a.at(i, j));
      if (cells.every(v => v !== undefined)) return cells;
    }
    return null;
  };
  return { L, l, p, j, w: column(p.w, after.w), g: column(p.g, after.g), after: column(p.after, after.after) };
}

function unitField(t) {
  return `<div class="fields"><label>${T("story.unit")} <input type="number" class="pick-unit" min="0" max="${t.p.shape[1] - 1}" value="${t.j}"></label></div>`;
}

function listenUnit(box) {
  const field = $(".pick-unit", box);
  field?.addEventListener("change", () => { chooseUnit(Math.floor(Number(field.value))); $(".pick-unit")?.focus(); });
}

// What goes from the layer above back to unit j: the largest of the terms W[j, k] dz[k]
function comesBack(t, n) {
  const c = firstColumn(), above = columns.map((_, k) => k).filter(k => columns[k].from.includes(c)), own = num(rowOf(t.l.d, n)[t.j]);
  if (!above.length) return say("story.fault.direct", { d: own });
  const others = say("story.fault.several", { d: own });
  if (above.length > 1 || columns[above[0]].dense === null || columns[c].units === null) return others;
  const l = S.layers[columns[above[0]].dense], W = entry(above[0], "w"), d = gradientOf(above[0], n);
  if (!d) return others;
  const terms = [...d].map((v, k) => W(t.j, k) * v);
  if (terms.some(v => !Number.isFinite(v))) return others;
  const shown = topBy(d.length, 5, k => Math.abs(terms[k])), total = terms.reduce((a, b) => a + b, 0);
  const rows = shown.map(k => [`${esc(l.name)} ${k}`, num(W(t.j, k)), num(d[k]), num(terms[k])]);
  if (d.length > shown.length) rows.push([T("drill.others", { n: d.length - shown.length }), "", "", num(total - shown.reduce((s, k) => s + terms[k], 0))]);
  rows.push([`<b>${T("story.sum")}</b>`, "", "", `<b>${num(total)}</b>`]);
  const plainSlope = columns[c].layers.length === 1 && typeof t.l.slope === "string";
  const end = plainSlope ? say("story.fault.slope", { s: num(rowOf(t.l.slope, n)[t.j]), d: own, sum: num(total) }) :
    say("story.fault.through", { d: own, layers: [...columns[c].layers].reverse().map(L => esc(S.layers[L].name)).join(", ") });
  return table([T("story.above"), "W", "dz", "W · dz"], rows, "stats back") + end;
}

function proofs() { // links to the cards that prove the step; a moment of a film has none
  const links = ["check", "peer", "whatif"].filter(id => document.getElementById(id)).map(id => `<a href="#${id}">${T(`strip.${id}`)}</a>`);
  return links.length ? `${T("story.after.then")} ${links.join(" · ")}` : T("story.after.moment");
}

const TELL = {
  in(box, n) {
    const x = rowOf(S.layers[0].x, n), r = range(x), zeros = x.reduce((s, v) => s + (v === 0), 0);
    const worst = n === S.story.worst, mean = Array.from({ length: S.rows }, (_, k) => lossOf(k)).reduce((a, b) => a + b, 0) / S.rows;
    const text = say(worst ? (S.rows < S.count ? "story.in.worst.cut" : "story.in.worst") : "story.in.other", { n, l: num(lossOf(n)), mean: num(mean), count: S.count, rows: S.rows }) +
      say("story.in.text", { k: x.length, low: num(r.low), high: num(r.high), zeros, target: `<b>${esc(target(n))}</b>` });
    const shown = topBy(x.length, MOST_BARS, k => Math.abs(x[k]));
    box.insertAdjacentHTML("beforeend", `<div class="two"><div>${text}<p class="hand">${T("story.in.then")}</p></div><div>${
      S.image ? `<figure class="face big"><canvas role="img" data-face="x" aria-label="${esc(plain("story.in.picture", { target: target(n) }))}"></canvas><figcaption>${T("story.in.picture", { target: esc(target(n)) })}</figcaption></figure>`
        : bars(T(x.length > MOST_BARS ? "story.in.largest" : "story.in.inputs"), shown.map(k => `x${k}`), [{ values: shown.map(k => x[k]), kind: "" }])}</div></div>`);
    paintFaces(box, { x });
  },

  said(box, n) {
    const p = rowOf(loss.p, n), shown = chosenOutputs(n), right = classOf(n), top = p.reduce((b, v, k) => v > p[b] ? k : b, 0);
    const parts = { p: right === null ? "" : num(p[right]), right, top, ptop: num(p[top]), l: num(lossOf(n)), name: `<code>${esc(loss.name)}</code>`, target: esc(target(n)), output: esc(output(n)) };
    const key = loss.family === "softmax" && right !== null ? top === right ? "story.said.right" : "story.said.wrong" : "story.said.numbers";
    const why = loss.family === "softmax" && right !== null && !loss.smoothing ? "story.said.log" : "story.said.loss";
    const list = [{ values: shown.map(k => p[k]), kind: "" }];
    box.insertAdjacentHTML("beforeend", `<div class="two"><div>${say(key, parts)}${say(why, parts)}<p class="hand">${T("story.said.then")} <a href="#loss">${T("story.proof")}</a></p></div><div>${
      bars(T(loss.family === "softmax" ? "story.said.bars" : "story.said.outputs"), shown, list, outputNote(n))}</div></div>`);
  },

  fault(box, n) {
    const d = rowOf(loss.dp, n), shown = chosenOutputs(n), t = taught(), w = rowOf(loss.w, n)[0];
    const key = `story.fault.${loss.family}`;
    const error = `<section><h3>${T("story.fault.1")}</h3>${bars(loss.fused ? "dz = dL/dz" : "dL/dp", shown, [{ values: shown.map(k => d[k]), kind: "" }], outputNote(n))}${say(key, { w: num(w) })}</section>`;
    if (!t) { box.insertAdjacentHTML("beforeend", error + say("story.nothing")); return; }
    const dz = rowsOf(t.l.d, n).map(r => r[t.j]), x = rowsOf(t.l.x, n), name = `<code>${esc(t.l.name)}[${t.j}]</code>`;
    const own = Array.from({ length: t.p.shape[0] }, (_, i) => x.reduce((s, r, q) => s + r[i] * dz[q], 0));
        box.insertAdjacentHTML("beforeend", `<div class="chain-of"><div class="flow">${error}
      <section><h3>${T("story.fault.2", { unit: name })}</h3>${unitField(t)}${comesBack(t, n)}</section></div>
      <section><h3>${T("story.fault.3", { unit: name })}</h3>${say("story.fault.weights", { d: num(dz.reduce((a, b) => a + b, 0)) })}<div class="faces">${
        pictured() ? face(T("story.face.x"), x[0], "x") + `<b aria-hidden="true">× ${show(dz[0])} =</b>` : ""}${
        face(T("story.face.own", { n }), own, "own")}<b aria-hidden="true">+ … =</b>${face(T("story.face.g", { n: S.count }), t.g, "g")}${face(T("story.face.w"), t.w, "w")}</div>
        ${own.every(v => v === 0) ? say("story.fault.none") : ""}<p class="hand">${T("story.fault.then")} <a href="#b${t.L}">${T("story.proof")}</a></p></section></div>`);
    paintFaces(box, { x: x[0], own, g: t.g, w: t.w });
    listenUnit(box);
  },

  update(box, n) {
    const t = taught(), steps = S.story.steps;
    const ratios = table([T("update.array"), "|g|", "|Δw|", T("update.ratio")], steps.map(s => [`<code>${esc(s.path)}</code>`, num(s.g), num(s.step),
      (s.ratio === null ? T("story.update.fromzero") : num(s.ratio) + bar(Math.max(0, Math.log10(s.ratio || 1e-6) + 6) / 6, "up"))]));
    const bottom = `<h3>${T("story.update.all")}</h3>${ratios}<p class="hand">${T("story.update.then")} <a href="#update">${T("story.proof")}</a></p>`;
    if (!t) { box.insertAdjacentHTML("beforeend", say("story.nothing") + bottom); return; }
    const step = t.after && t.after.map((v, i) => v - t.w[i]);
    const i = t.g ? t.g.reduce((b, v, k) => Math.abs(v) > Math.abs(t.g[b]) ? k : b, 0) : 0;
    const one = t.g && t.after ? say("story.update.one", { where: `<code>${esc(t.p.path)}[${i}, ${t.j}]</code>`, w: num(t.w[i]), g: num(t.g[i]), step: num(step[i]), after: num(t.after[i]) }) : "";
    box.insertAdjacentHTML("beforeend", say("story.update.text", { optimizer: `<code>${esc(S.story.optimizer)}</code>`, lr: num(S.opt.lr), count: S.count }) +
      unitField(t) + `<div class="faces">${face(T("story.face.w"), t.w, "w")}<b aria-hidden="true">+</b>${face(T("story.face.step"), step, "step")}<b aria-hidden="true">=</b>${face(T("story.face.after"), t.after, "after")}${face(T("story.face.g", { n: S.count }), t.g, "g")}</div>${one}${bottom}`);
    paintFaces(box, { w: t.w, step, after: t.after, g: t.g });
    listenUnit(box);
  },

  after(box, n) {
    const p = rowOf(loss.p, n), q = rowOf(loss.p_after, n), shown = chosenOutputs(n), right = classOf(n);
    const a = lossOf(n), b = lossOf(n, "values_after"), better = b < a;
    const text = say(right === null || loss.family !== "softmax" ? "story.after.numbers" : "story.after.class", { right, p: right === null ? "" : num(p[right]), q: right === null ? "" : num(q[right]), d: right === null ? "" : num(q[right] - p[right]) }) +
      say(better ? "story.after.better" : "story.after.worse", { a: num(a), b: num(b), d: num(Math.abs(b - a)), before: num(loss.before), after: num(loss.after), count: S.count });
    box.insertAdjacentHTML("beforeend", `<div class="two"><div>${text}<p class="hand">${proofs()}</p></div><div>${
      bars(T("story.after.bars"), shown, [{ values: shown.map(k => p[k]), kind: "was" }, { values: shown.map(k => q[k]), kind: "now" }], outputNote(n))}</div></div>`);
  },
};
