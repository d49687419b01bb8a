// -------------------------------------------------------------------------------- the layers
// A row for each array: its gradient's norm, its update ratio, its layer's dead units, over time.

const TINY = [120, 26];

function rowsOfSigns() { // [name, series by column]
  const series = get => FRAMES.map(f => get(f) ?? null);
  const rows = S.arrays.map((path, k) => [path, {
    norm: series(f => f.norm[k]), ratio: series(f => f.ratio[k]),
    dead: path.includes("/") && path.split("/").slice(-2)[0] in FRAMES[0].dead ? series(f => f.dead[path.split("/").slice(-2)[0]]) : null,
  }]);
  const told = new Set(S.arrays.map(path => path.split("/").slice(-2)[0]));
  const others = Object.keys(FRAMES[0].dead).filter(name => !told.has(name));
  return rows.concat(others.map(name => [name, { norm: null, ratio: null, dead: series(f => f.dead[name]) }]));
}

function spark(values, log) { // a line over the frames; gaps where there is no number
  const [w, h] = TINY, ok = v => v !== null && Number.isFinite(v) && (!log || v > 0), scale = v => log ? Math.log10(v) : v;
  const all = values.filter(ok).map(scale), low = log ? Math.min(...all) : 0, high = log ? Math.max(...all, low + 1) : 1;
  let pen = "M";
  const d = values.map((v, k) => {
    if (!ok(v)) { pen = "M"; return ""; }
    const step = `${pen}${(w * k / Math.max(1, values.length - 1)).toFixed(1)} ${(h - 3 - (h - 6) * (scale(v) - low) / (high - low)).toFixed(1)}`;
    pen = "L";
    return step;
  }).join("");
  return `<svg class="spark" viewBox="0 0 ${w} ${h}" preserveAspectRatio="none" aria-hidden="true"><path class="line" d="${d}"/><path class="cursor-line"/></svg>`;
}

let signs = [];

function layers() { // the whole table anew
  const box = $(".signs");
  signs = rowsOfSigns();
  if (!signs.length) { box.innerHTML = `<p class="note">${T("layers.none")}</p>`; return; }
  const cells = (s, log) => s ? `${spark(s, log)}<b></b>` : "";
  box.innerHTML = table([T("layers.array"), T("layers.norm"), T("layers.ratio"), T("layers.dead")],
    signs.map(([name, s]) => [`<code>${esc(name)}</code>`, cells(s.norm, true), cells(s.ratio, true), cells(s.dead, false)]), "signs-table");
  markSigns();
}

function markSigns() { // the cursor, and the numbers there
  const x = (TINY[0] * at / Math.max(1, FRAMES.length - 1)).toFixed(1);
  $$(".signs tbody tr").forEach((row, r) => ["norm", "ratio", "dead"].forEach((key, c) => {
    const cell = $$("td", row)[c], values = signs[r][1][key];
    if (!values) return;
    const v = values[at];
    $("b", cell).textContent = key !== "dead" ? said(v) : v === null ? "NaN" : `${(100 * v).toFixed(v && v < .1 ? 1 : 0)}%`;
    $(".cursor-line", cell).setAttribute("d", `M${x} 0V${TINY[1]}`);
    cell.classList.toggle("wild", key === "ratio" && v > .1);
  }));
}
