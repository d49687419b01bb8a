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
  if (!S.image || p.shape[0] !== h * w || S.layers.findIndex(l => l.params.includes(k)) !== S.layers.findIndex(l => l.kind === "dense")) {
    box.innerHTML = `<p class="note">${T("drill.noimage")}</p>`;
    return;
  }
  for (const [name, key] of [["W", p.w], ["dW", p.g]]) {
    const a = A(key);
    if (!a || a.block) {
      box.insertAdjacentHTML("beforeend", `<figure><figcaption>${name}[:, ${j}]</figcaption><p class="note">${T("story.cut")}</p></figure>`);
      continue;
    }
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

