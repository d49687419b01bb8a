// -------------------------------------------------------------------------------- the curves
// Losses and the first metric against the epoch, with a cursor at the frame.

const HIGH = 170, LEFT = 44, BELOW = 22, ABOVE = 8;
const finite = list => list.filter(v => v !== null && Number.isFinite(v));

class Chart {
  constructor(box, name) {
    Object.assign(this, { box, name });
    box.innerHTML = `<h3>${esc(name)}</h3><div class="plot"></div><p class="key"></p>`;
    this.plot = $(".plot", box);
    this.plot.addEventListener("pointerdown", e => { this.plot.setPointerCapture(e.pointerId); this.seek(e); });
    this.plot.addEventListener("pointermove", e => { if (e.buttons) this.seek(e); });
  }

  lines() { // [class, words, points [epoch, value]]
    const { name } = this, of = (list, key, get) => list.filter(f => key in get(f)).map(f => [f.epoch, get(f)[key]]);
    return [["rows", T("curves.rows", { n: S.rows }), of(FRAMES, name, f => f.logs)],
            ["train", T("curves.train"), of(EPOCHS, name, f => f)],
            ["val", T("curves.val"), of(EPOCHS, `val_${name}`, f => f)]].filter(l => l[2].length);
  }

  draw() { // axes and lines
    const lines = this.lines(), values = finite(lines.flatMap(l => l[2].map(p => p[1])));
    const wide = this.wide = Math.max(240, this.plot.clientWidth), start = FRAMES[0].epoch;
    const end = Math.max(start + 1e-9, ...FRAMES.map(f => f.epoch), ...EPOCHS.map(e => e.epoch));
    const low = Math.min(0, ...values), top = /accuracy/.test(this.name) ? 1 : Math.max(...values, low + 1e-9);
    this.x = e => LEFT + (wide - LEFT - 10) * (e - start) / (end - start);
    this.y = v => ABOVE + (HIGH - ABOVE - BELOW) * (1 - (v - low) / (top - low));
    const rules = [low, (low + top) / 2, top].map(v => `<path class="rule" d="M${LEFT} ${this.y(v).toFixed(1)}H${wide - 10}"/><text x="${LEFT - 6}" y="${this.y(v) + 4}" text-anchor="end">${brief(v)}</text>`);
    const times = [start, end].map((e, k) => `<text x="${this.x(e)}" y="${HIGH - 5}" text-anchor="${k ? "end" : "start"}">${k ? `${esc(plain("now.epoch"))} ` : ""}${Number(e.toFixed(2))}</text>`);
    const paths = lines.map(([kind, , points]) => `<path class="line ${kind}" d="${this.path(points)}"/>` + (points.length < 2 ? points.filter(p => p[1] !== null).map(p => `<circle class="${kind}" cx="${this.x(p[0])}" cy="${this.y(p[1])}" r="3"/>`).join("") : ""));
    this.plot.innerHTML = `<svg width="${wide}" height="${HIGH}" viewBox="0 0 ${wide} ${HIGH}" role="img" aria-label="${esc(plain("curves.chart", { name: this.name }))}">${rules.join("")}${times.join("")}${paths.join("")}<path class="cursor-line"/><circle class="rows here" r="4"/></svg>`;
    this.drawnLines = lines;
    this.mark();
  }

  path(points) { // with a gap where a value is not finite
    let pen = "M";
    return points.map(([e, v]) => {
      if (v === null) { pen = "M"; return ""; }
      const step = `${pen}${this.x(e).toFixed(1)} ${this.y(v).toFixed(1)}`;
      pen = "L";
      return step;
    }).join("");
  }

  mark() { // the cursor, and the values there
    const f = frame(), x = this.x(f.epoch).toFixed(1), v = f.logs[this.name];
    $(".cursor-line", this.plot).setAttribute("d", `M${x} ${ABOVE}V${HIGH - BELOW}`);
    const dot = $(".here", this.plot);
    dot.setAttribute("cx", x);
    dot.setAttribute("cy", this.y(v ?? 0).toFixed(1));
    dot.style.display = v === null || v === undefined ? "none" : "";
    $(".key", this.box).innerHTML = this.drawnLines.map(([kind, words, points]) => {
      const known = points.filter(p => p[0] <= f.epoch + 1e-9), last = known[known.length - 1];
      return `<span class="${kind}"><i aria-hidden="true"></i>${words} <b>${last ? asMetric(this.name, last[1]) : "–"}</b></span>`;
    }).join("");
  }

  seek(event) {
    const x = event.clientX - this.plot.getBoundingClientRect().left;
    play(false);
    goTo(FRAMES.reduce((best, f, k) => Math.abs(this.x(f.epoch) - x) < Math.abs(this.x(FRAMES[best].epoch) - x) ? k : best, 0));
  }
}

const brief = v => Math.abs(v) >= 1e4 || (v && Math.abs(v) < 1e-3) ? v.toExponential(0).replace("-", "−") : String(Number(v.toPrecision(2))).replace("-", "−");
let charts = [];

function curves() { // all of them anew
  const names = ["loss", metric()].filter(Boolean), box = $(".charts");
  if (charts.map(c => c.name).join() !== names.join()) {
    box.innerHTML = names.map(() => `<div class="chart"></div>`).join("");
    charts = names.map((name, k) => new Chart($$(".chart", box)[k], name));
  }
  charts.forEach(c => c.draw());
}
