// ------------------------------------------------------------------------------ the pictures
// What the model answers in a frame: over a plane, along a line, for samples, against targets; and
// what the units of the first layer look for. Bytes 255 (and −128) stand for NaN.

const COLOURS = ["#2b6cb0", "#cf6a16", "#14705c", "#8a5aa8", "#b08a1e", "#c2477f", "#3f8fb5", "#7a8a2a", "#8a2f4f", "#6b7078"];
const P = S.picture, TARGETS = S.targets && unpacked(S.targets, Float32Array);
const FIELD = 360, EDGE = 3.5; // pixels of a plane; width of a ring around a dot
const MOST_WRONG = 24, MOST_WRONG_PHONE = 12;
const rgb = hex => [1, 3, 5].map(k => parseInt(hex.slice(k, k + 2), 16));
const numbersOf = S.kind === "numbers";
const wrongAt = f => { // which rows are answered wrongly
  if (!f.said) return null;
  const told = unpacked(f.said, Uint16Array);
  return Array.from(told, (v, n) => v !== TARGETS[n]);
};

function field(f) { // the colours behind the dots
  const value = unpacked(f.value), side = P.side, small = document.createElement("canvas"), light = rgb(dark.matches ? "#191c21" : "#ffffff");
  const classes = f.class && unpacked(f.class), ramp = lut(numbersOf ? "seq" : "div"), image = new ImageData(side, side);
  small.width = small.height = side;
  value.forEach((v, k) => {
    let c = [255, 0, 200];
    if (v < 255 && classes) {
      const least = 1 / Math.max(2, S.classes), share = .15 + .75 * Math.max(0, (v / 254 - least) / (1 - least));
      c = rgb(COLOURS[classes[k]]).map((q, i) => light[i] + (q - light[i]) * share);
    } else if (v < 255) c = ramp[Math.round(v / 254 * 255)];
    image.data.set([...c, 255], 4 * k);
  });
  small.getContext("2d").putImageData(image, 0, 0);
  return small;
}

function colourOf(n) { // of row n's dot
  if (S.kind === "classes") return COLOURS[TARGETS[n] % COLOURS.length];
  const share = numbersOf ? (TARGETS[n] - P.low) / (P.high - P.low || 1) : TARGETS[n] ? .86 : .14;
  return `rgb(${lut(numbersOf ? "seq" : "div")[Math.max(0, Math.min(255, Math.round(share * 255)))]})`;
}

const DRAW = {
  plane(box, f) {
    const canvas = $("canvas", box) ?? box.appendChild(document.createElement("canvas")), dots = unpacked(P.dots, Float32Array), wrong = wrongAt(f);
    canvas.width = canvas.height = FIELD * 2;
    canvas.className = "plane";
    const context = canvas.getContext("2d"), [a, b, c, d] = P.bounds, scale = FIELD * 2;
    context.imageSmoothingEnabled = true;
    context.drawImage(field(f), 0, 0, scale, scale);
    for (let n = 0; n < S.rows; n++) {
      context.beginPath();
      context.arc((dots[2 * n] - a) / (b - a) * scale, (1 - (dots[2 * n + 1] - c) / (d - c)) * scale, wrong?.[n] ? 8 : 6.5, 0, 7);
      context.fillStyle = colourOf(n);
      context.fill();
      context.lineWidth = wrong?.[n] ? EDGE : 1.5;
      context.strokeStyle = wrong?.[n] ? (dark.matches ? "#fff" : "#111") : "rgb(255 255 255 / .8)";
      context.stroke();
    }
    const words = plain(`outputs.plane.${S.kind}`, { wrong: f.wrong, n: S.rows, low: said(P.low), high: said(P.high) });
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", words);
    return T(`outputs.plane.${S.kind}`, { wrong: f.wrong, n: S.rows, low: said(P.low), high: said(P.high) });
  },

  curve(box, f) {
    const points = unpacked(P.points, Float32Array), dots = unpacked(P.dots, Float32Array), values = unpacked(f.curves, Float32Array);
    const low = numbersOf ? Math.min(...TARGETS) : 0, high = numbersOf ? Math.max(...TARGETS) : 1, margin = .15 * (high - low || 1);
    const p = plot(box, [points[0], points[points.length - 1]], [low - margin, high + margin]);
    const marks = Array.from(dots, (x, n) => `<circle cx="${p.x(x)}" cy="${p.y(numbersOf || S.kind === "binary" ? TARGETS[n] : 0)}" r="3.5" fill="${S.kind === "classes" ? colourOf(n) : "var(--soft)"}" opacity=".75"/>`);
    const lines = Array.from({ length: f.count }, (_, c) => {
      const row = values.subarray(c * points.length, (c + 1) * points.length);
      let pen = "M";
      const d = Array.from(row, (v, k) => {
        if (!Number.isFinite(v)) { pen = "M"; return ""; }
        const step = `${pen}${p.x(points[k])} ${p.y(v)}`;
        pen = "L";
        return step;
      }).join("");
      return `<path class="line" d="${d}" style="stroke:${f.count > 1 ? COLOURS[c] : "var(--pos)"}"/>`;
    });
    const key = numbersOf ? "outputs.curve.numbers" : "outputs.curve.classes", parts = { wrong: f.wrong, n: S.rows };
    p.show(marks.join("") + lines.join(""), plain(key, parts));
    return T(key, parts);
  },

  cloud(box, f) {
    const values = unpacked(f.outputs, Float32Array), low = Math.min(...TARGETS), high = Math.max(...TARGETS), margin = .15 * (high - low || 1);
    const p = plot(box, [low - margin, high + margin], [low - margin, high + margin]);
    const marks = Array.from(values, (v, n) => Number.isFinite(v) ? `<circle cx="${p.x(TARGETS[n])}" cy="${p.y(v)}" r="3.5" fill="var(--pos)" opacity=".6"/>` : "");
    p.show(`<path class="line same" d="M${p.x(low)} ${p.y(low)}L${p.x(high)} ${p.y(high)}"/>${marks.join("")}`, plain("outputs.cloud"));
    return T("outputs.cloud.note");
  },

  samples(box, f) {
    const right = unpacked(f.right), told = unpacked(f.said, Uint16Array), cells = unpacked(P.cells), [h, w] = P.shape;
    const most = innerWidth < 600 ? MOST_WRONG_PHONE : MOST_WRONG, shown = [...Array(P.shown).keys()];
    const order = shown.filter(n => !f.wrong || told[n] !== TARGETS[n]).sort((a, b) => (right[a] === 255 ? -1 : right[a]) - (right[b] === 255 ? -1 : right[b]) || a - b).slice(0, most);
    box.innerHTML = `<ul class="samples">${order.map(n => `<li class="sample ${told[n] === TARGETS[n] ? "right" : "wrong"}"><canvas aria-hidden="true"></canvas><span>${TARGETS[n]} → ${told[n]}</span><small>${right[n] === 255 ? "NaN" : `${Math.round(right[n] / 2.54)}%`}</small></li>`).join("")}</ul>`;
    $$("canvas", box).forEach((canvas, k) => {
      const row = cells.subarray(order[k] * h * w, (order[k] + 1) * h * w), span = P.high - P.low, signed = P.low < 0;
      const top = Math.max(Math.abs(P.low), Math.abs(P.high)) || 1;
      paint(canvas, Array.from(row, v => v === 255 ? NaN : P.low + v / 254 * span), h, w, top, signed ? "div" : "seq");
      canvas.style.aspectRatio = h > 1 ? `${w} / ${h}` : "3";
    });
    return T(f.wrong ? "outputs.samples.wrong" : "outputs.samples.right", { wrong: f.wrong, n: S.rows });
  },
};

function plot(box, [left, right], [low, high]) { // axes, and where values stand between them
  const wide = Math.max(240, box.clientWidth), tall = Math.min(430, Math.round(wide * .85)), edge = 40;
  const x = v => (edge + (wide - edge - 12) * (v - left) / (right - left)).toFixed(1);
  const y = v => (8 + (tall - 32) * (1 - (Math.max(low, Math.min(high, v)) - low) / (high - low))).toFixed(1);
  const ticks = [low, (low + high) / 2, high].map(v => `<path class="rule" d="M${edge} ${y(v)}H${wide - 12}"/><text x="${edge - 6}" y="${Number(y(v)) + 4}" text-anchor="end">${brief(v)}</text>`);
  const foot = [left, right].map((v, k) => `<text x="${x(v)}" y="${tall - 6}" text-anchor="${k ? "end" : "start"}">${brief(v)}</text>`);
  const show = (inside, words) => { box.innerHTML = `<svg class="plot" width="${wide}" height="${tall}" viewBox="0 0 ${wide} ${tall}" role="img" aria-label="${esc(words)}">${ticks.join("")}${foot.join("")}${inside}</svg>`; };
  return { x, y, show };
}

function outputs() {
  const panel = $("#outputs");
  panel.hidden = !P;
  if (!P) return;
  $("h2", panel).innerHTML = T(`outputs.${P.kind}`);
  $(".note", panel).innerHTML = DRAW[P.kind]($(".picture", panel), frame());
}

let unitsShow = "change";

function unitValues(k) { // of unit k in this frame, and their largest |value|
  const U = S.units, size = U.shape[0] * U.shape[1], of = (f, text, Type) => unpacked(f[text], Type).subarray(k * size, (k + 1) * size);
  const moved = Array.from(of(frame(), "units", Int8Array), v => v === -128 ? NaN : v / 127 * frame().tops[k]);
  const values = FRAMES[0].start && unitsShow === "weights" ? Array.from(of(FRAMES[0], "start", Float32Array), (w, i) => w + moved[i]) : moved;
  return [values, Math.max(0, ...finite(values.map(Math.abs)))];
}

function units() {
  const panel = $("#units"), U = S.units, box = $(".unit-list");
  panel.hidden = !U;
  if (!U) return;
  const [h, w] = U.shape, size = h * w, choice = $(".choice", panel);
  choice.hidden = !FRAMES[0].start; // of a view that came late to a training, too
  for (const b of $$("button", choice)) b.setAttribute("aria-pressed", b.dataset.of === unitsShow);
  if (box.childElementCount !== U.shown) {
    box.className = `unit-list ${h > 1 ? "" : "rows"}`;
    box.innerHTML = Array.from({ length: U.shown }, (_, k) => `<figure class="one">${U.of === "curve" ? "<svg viewBox='0 0 100 40' preserveAspectRatio='none' aria-hidden='true'><path class='rule' d='M0 20H100'/><path class='line'/></svg>" : "<canvas aria-hidden='true'></canvas>"}<figcaption>${T("units.unit", { k })} <small></small></figcaption></figure>`).join("");
  }
  $(".note", panel).innerHTML = T(`units.${FRAMES[0].start ? unitsShow : U.of === "weights" ? "change" : U.of}`, { layer: `<code>${esc(U.layer)}</code>`, shown: U.shown, count: U.count });
  $$(".one", box).forEach((figure, k) => {
    const [row, top] = unitValues(k), canvas = $("canvas", figure);
    $("small", figure).textContent = `±${said(top)}`;
    if (canvas) {
      paint(canvas, row, h, w, top || 1, "div");
      if (h > 1) canvas.style.aspectRatio = `${w} / ${h}`;
    } else $(".line", figure).setAttribute("d", Array.from(row, (v, i) => `${i ? "L" : "M"}${(100 * i / Math.max(1, size - 1)).toFixed(1)} ${(20 - 18 * (v || 0) / (top || 1)).toFixed(1)}`).join(""));
  });
}
