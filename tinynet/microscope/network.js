// -------------------------------------------------------------------------------- the network
// The layers as columns, for one sample: what went up, what came back, what the update changed.

const columns = S.story.columns;
const state = { n: S.story.worst, pixel: null, unit: null };
const LINES = 26; // the strongest ones between two columns
const inkOf = v => v < 0 ? "var(--neg)" : "var(--pos)";
const largest = list => list.reduce((m, v) => Math.max(m, Math.abs(v)), 0) || 1;
const topBy = (count, k, size) => [...Array(count).keys()].sort((a, b) => size(b) - size(a) || a - b).slice(0, k).sort((a, b) => a - b);

function valuesOf(c, n) { // what column c hands up for sample n
  return columns[c].units === null ? null : rowOf(columns[c].out, n);
}

function gradientOf(c, n) { // dL/dz (or dL/dy) of its units; null below the lowest layer that learns
  const column = columns[c], l = S.layers[column.layers[0]];
  if (column.units === null) return null;
  if (!c) return inputGradients(n);
  return l.visited && typeof l.d === "string" ? rowOf(l.d, n) : null;
}

function units(c, n, most) { // the telling ones: strong on the way up, or on the way down
  const up = valuesOf(c, n), down = gradientOf(c, n);
  if (up === null) return [];
  if (up.length <= most) return [...up.keys()];
  const a = largest(up), b = down ? largest(down) : 1, chosen = state.unit !== null && c === firstColumn() ? state.unit : -1;
  return topBy(up.length, most, k => k === chosen ? 9 : Math.abs(up[k]) / a + (down ? Math.abs(down[k]) / b : 0));
}

const firstColumn = () => columns.findIndex(c => c.dense !== null && c.dense === S.story.first);

// Parts that stand on the lines from column a to c: x W upwards, W dz downwards, or the change of W
function weigh(a, c, n, mode) {
  if (columns[c].dense === null) return (j, k) => j === k ? 1 : 0;
  const W = entry(c, "w"), after = entry(c, "after"), x = valuesOf(a, n), d = gradientOf(c, n);
  if (mode === "change") return (j, k) => after(j, k) - W(j, k);
  return mode === "back" ? (j, k) => d ? W(j, k) * d[k] : NaN : (j, k) => x[j] * W(j, k);
}

function entry(c, name) { // (j, k) => an entry of the weights of column c; NaN where it is not here
  const key = S.params[S.layers[columns[c].dense].params[0]][name], first = firstColumn(), told = S.story.columns_after;
  const more = c === first ? told[name] : name === "w" && columns[c].from.includes(first) ? told.above : null;
  const arrays = [key, more].filter(Boolean).map(A);
  return (j, k) => arrays.reduce((found, a) => found ?? a.at(j, k), undefined) ?? NaN;
}

class Network {
  constructor(box) {
    this.box = box;
    this.mode = "up";
  }

  // Where column c and its units stand
  place() {
    const wide = Math.max(this.box.clientWidth, 40 + 66 * (columns.length - 1) + 96), phone = this.box.clientWidth < 600;
    const left = S.image ? (phone ? 44 : 92) : phone ? 18 : 46, right = phone ? 74 : 132;
    const most = phone ? 10 : 12, tall = phone ? 270 : 330;
    Object.assign(this, { wide, tall, phone, most, r: phone ? 7 : 9 });
    this.x = columns.map((_, c) => left + (wide - left - right) * c / Math.max(1, columns.length - 1));
    this.picked = columns.map((_, c) => c || !S.image ? units(c, state.n, most) : []);
    this.side = phone ? 76 : 144;
    this.y = this.picked.map(list => new Map(list.map((k, i) => [k, 14 + (tall - 60) * (i + .5) / list.length])));
  }

  at(c, k) { // [x, y] of unit k; of a picture's pixel
    if (c || !S.image) return [this.x[c], this.y[c].get(k)];
    const [h, w] = S.image, tall = this.side * h / w, top = (this.tall - 46 - tall) / 2 + 14;
    return [this.x[0] - this.side / 2 + this.side * (k % w + .5) / w, top + tall * (Math.floor(k / w) + .5) / h];
  }

  lines(a, c) { // the strongest between two columns
    if (columns[a].units === null || columns[c].units === null) return [];
    const value = weigh(a, c, state.n, this.mode), found = [];
    const from = a || !S.image ? this.picked[a] : [...Array(columns[0].units).keys()];
    for (const k of this.picked[c]) for (const j of from) {
      const v = value(j, k);
      if (v && Number.isFinite(v)) found.push({ a, c, j, k, v });
    }
    found.sort((s, t) => Math.abs(t.v) - Math.abs(s.v));
    return found.slice(0, columns[c].dense === null ? this.most : LINES);
  }

  draw(mode = this.mode) {
    this.mode = mode;
    this.place();
    const n = state.n, parts = S.image ? [this.image(n)] : [];
    columns.forEach((column, c) => {
      for (const a of new Set(column.from)) {
        const lines = this.lines(a, c), top = largest(lines.map(l => l.v));
        for (const l of lines.reverse()) {
          const [x, y] = this.at(a, l.j), [u, v] = this.at(c, l.k), s = Math.abs(l.v) / top, half = (u - x) / 2;
          const past = c - a > 1 ? 34 : 0; // a line past other columns is bent around their units
          const points = [[x + half, y - past], [u - half, v - past], [u, v]].map(q => q.map(z => z.toFixed(1)).join(" "));
          parts.push(`<path class="wire" d="M${x.toFixed(1)} ${y.toFixed(1)}C${points.join(" ")}" stroke="${inkOf(l.v)}" stroke-width="${(.5 + 3.5 * s).toFixed(2)}" opacity="${(.16 + .7 * s).toFixed(2)}"/>`);
        }
      }
    });
    columns.forEach((column, c) => parts.push(this.column(c, n)));
    const words = plain(`story.draw.${mode}`, { n, target: target(n), output: output(n) });
    this.box.innerHTML = `<svg class="net ${mode}" width="${this.wide}" height="${this.tall}" viewBox="0 0 ${this.wide} ${this.tall}" role="img" aria-label="${esc(words)}">${parts.join("")}</svg>`;
    $$("[data-unit]", this.box).forEach(dot => dot.addEventListener("click", () => chooseUnit(Number(dot.dataset.unit))));
  }

  column(c, n) {
    const column = columns[c], x = this.x[c], end = this.tall, last = c === columns.length - 1;
    const names = c ? column.layers.map(L => S.layers[L].name) : [plain("strip.batch")];
    const title = c ? names[0] : `${plain("batch.sample")} ${n}`;
    const shown = column.units === null ? "" : this.picked[c].length && this.picked[c].length < column.units ? plain("story.of", { k: this.picked[c].length, n: column.units }) : String(column.units);
    const label = `<text x="${x}" y="${end - 22}" class="name">${esc(short(title, this.phone ? 9 : 16))}</text><text x="${x}" y="${end - 7}" class="sub">${esc(shown)}</text>`;
    if (!c && S.image) return label;
    if (column.units === null) return `<rect class="whole" x="${x - 14}" y="40" width="28" height="${end - 110}" rx="9"/>${label}`;
    const back = this.mode === "back", up = valuesOf(c, n), down = gradientOf(c, n), fill = back ? down : up;
    const top = fill ? largest([...fill]) : 1, all = fill ? range(fill) : null, colours = lut(all?.kind ?? "div");
    return this.picked[c].map(k => {
      const y = this.y[c].get(k), v = fill ? fill[k] : 0, share = all?.kind === "seq" ? v / top : (v / top + 1) / 2;
      const chosen = c === firstColumn() && k === followed(), may = c === firstColumn() ? ` data-unit="${k}"` : "";
      const words = `${names[0]}[${k}]  y = ${show(up[k])}${down ? `  d = ${show(down[k])}` : ""}`;
      const dot = `<circle${may} class="dot${chosen ? " chosen" : ""}" cx="${x}" cy="${y}" r="${chosen ? this.r + 2 : this.r}" fill="rgb(${colours[Math.max(0, Math.min(255, Math.round(255 * share))) || 0]})"><title>${esc(words)}</title></circle>`;
      return dot + (last ? this.answer(x + this.r + 7, y + 4, k, n) : "");
    }).join("") + label;
  }

  answer(x, y, k, n) { // beside an output: its number, and what it says
    const p = rowOf(this.mode === "after" ? loss.p_after : loss.p, n)[k], right = classOf(n) === k;
    const v = this.mode === "back" ? gradientOf(columns.length - 1, n)?.[k] : p;
    return `<text x="${x}" y="${y}" class="out${right ? " right" : ""}">${k}${right ? "✓" : ""} <tspan class="value">${v === undefined ? "" : this.phone ? brief(v) : show(v)}</tspan></text>`;
  }

  image(n) {
    const [h, w] = S.image, row = rowOf(S.layers[0].x, n), all = range(A(S.layers[0].x).data), canvas = document.createElement("canvas");
    const [x, y] = this.at(0, 0), cell = this.side / w;
    paint(canvas, row, h, w, all.top, all.kind);
    return `<image href="${canvas.toDataURL()}" x="${x - cell / 2}" y="${y - cell / 2}" width="${this.side}" height="${this.side * h / w}" class="picture"/>`;
  }
}

const short = (text, most) => text.length > most ? `${text.slice(0, most - 1)}…` : text;
const brief = v => Math.abs(v) >= 1e-3 && Math.abs(v) < 1e3 ? String(Number(v.toPrecision(2))).replace("-", "−") : v.toExponential(0).replace("-", "−");
