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
  if (!box) return;
  if (K > 64) {
    box.innerHTML = `<p class="note">${T("loss.nojacobian", { n: K })}</p>`;
    return;
  }
  const cells = [];
  for (let a = 0; a < K; a++) for (let b = 0; b < K; b++) cells.push((a === b ? p[a] : 0) - p[a] * p[b]);
  box.innerHTML = `<div><canvas class="J" role="img" aria-label="J ${K}×${K}"></canvas><small>${T("loss.jacobian")} (${K}, ${K})</small></div><b>·</b>
    <div><canvas class="v" role="img" aria-label="dL/dp"></canvas><small>dL/dp</small></div><b>=</b><div><canvas class="v" role="img" aria-label="dL/dz"></canvas><small>(p − y) w</small></div>`;
  const [J, a, b] = $$("canvas", box), top = v => range(v).top;
  paint(J, cells, K, K, top(cells), "div");
  paint(a, dp, K, 1, top(dp), "div");
  paint(b, dz, K, 1, top(dz), "div");
}

