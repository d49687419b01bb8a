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

