// The data sets, the formulas that a visitor types, and the Python of what is on the page.

// {x (N x D), y (N), N, D} from a list of [inputs, target]
function packed(rows) {
  const D = rows.length ? rows[0][0].length : 2;
  return {x: Float64Array.from(rows.flatMap((r) => r[0])), y: Float64Array.from(rows, (r) => r[1]),
    N: rows.length, D};
}

const round3 = (v) => Math.round(v * 1000) / 1000;

// name -> {task, rows: (random, noise, i of n) => [x1, x2, target]}; inputs lie within [-1, 1]
const planes = {
  spirals: {task: "binary", row(r, noise, i, n) {
    const t = 0.15 + (0.85 * (i % (n / 2))) / (n / 2), side = i < n / 2 ? 0 : 1;
    const turn = 3.4 * Math.PI * t + side * Math.PI, jitter = noise * 0.12;
    return [0.95 * t * Math.cos(turn) + jitter * r.normal(),
      0.95 * t * Math.sin(turn) + jitter * r.normal(), side];
  }},
  circles: {task: "binary", row(r, noise, i) {
    const inside = i % 2, radius = inside ? r.uniform(0, 0.42) : r.uniform(0.65, 0.95);
    const turn = r.uniform(0, 2 * Math.PI), jitter = noise * 0.25;
    return [radius * Math.cos(turn) + jitter * r.normal(),
      radius * Math.sin(turn) + jitter * r.normal(), inside];
  }},
  xor: {task: "binary", row(r, noise) {
    let [a, b] = [r.uniform(-0.95, 0.95), r.uniform(-0.95, 0.95)];
    a += 0.05 * Math.sign(a);
    b += 0.05 * Math.sign(b);
    const jitter = noise * 0.25;
    return [a + jitter * r.normal(), b + jitter * r.normal(), a * b > 0 ? 1 : 0];
  }},
  moons: {task: "binary", row(r, noise, i) {
    const t = r.uniform(0, Math.PI), side = i % 2, jitter = 0.03 + noise * 0.15;
    const [a, b] = side ? [0.28 - 0.55 * Math.cos(t) + 0.01, 0.22 - 0.55 * Math.sin(t)]
      : [0.55 * Math.cos(t) - 0.28, 0.55 * Math.sin(t) - 0.22];
    return [a + jitter * r.normal(), b + jitter * r.normal(), side];
  }},
  clusters: {task: "classes", row(r, noise, i) {
    const k = i % 3, spread = 0.12 + noise * 0.35;
    return [0.55 * Math.cos(2.1 * k + 0.5) + spread * r.normal(),
      0.55 * Math.sin(2.1 * k + 0.5) + spread * r.normal(), k];
  }},
  plane: {task: "real", row(r, noise) {
    const [a, b] = [r.uniform(-1, 1), r.uniform(-1, 1)];
    return [a, b, 0.5 * (a + b) + noise * 0.4 * r.normal()];
  }},
  hills: {task: "real", row(r, noise) {
    const [a, b] = [r.uniform(-1, 1), r.uniform(-1, 1)];
    const hill = (p, q) => Math.exp(-6 * ((a - p) ** 2 + (b - q) ** 2));
    return [a, b, hill(-0.5, 0.4) + hill(0.5, 0.45) - hill(0, -0.5) + noise * 0.4 * r.normal()];
  }},
};

// All rows of a data set, shuffled: {rows, task, classes}
function load({data, noise, seed, points}) {
  const random = new Random(seed + 17);
  if (data === "digits") {
    const {x, y} = unpacked();
    return {rows: random.permutation(y.length).map((i) => [x[i], y[i]]), task: "classes",
      classes: 10};
  }
  if (data === "points") {
    const rows = points.map(([a, b, t]) => [[a, b], t]);
    return {rows: random.permutation(rows.length).map((i) => rows[i]), task: "binary", classes: 2};
  }
  const {task, row} = planes[data], n = 400;
  const rows = Array.from({length: n}, (_, i) => {
    const [a, b, t] = row(random, noise, i, n).map(round3);
    return [[Math.max(-1, Math.min(1, a)), Math.max(-1, Math.min(1, b))], t];
  });
  return {rows: random.permutation(n).map((i) => rows[i]), task, classes: task === "classes" ? 3 : 2};
}

function unpacked() {
  if (unpacked.found) return unpacked.found;
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const [x, y] = [bytes(DIGITS.x), bytes(DIGITS.y)];
  const rows = Array.from(y, (_, i) => Array.from({length: 64}, (_, j) =>
    ((x[(i * 64 + j) >> 1] >> (4 * (j % 2))) & 15) / 15));
  return (unpacked.found = {x: rows, y});
}

// {train, test} for settings
function split(settings) {
  const {rows, task, classes} = load(settings);
  const count = Math.max(1, Math.round(rows.length * settings.share));
  return {train: packed(rows.slice(0, count)), test: packed(rows.slice(count)), task, classes};
}

// ------------------------------------------------------------------------------- typed formulas

const typed = {
  exp: Math.exp, log: Math.log, log1p: Math.log1p, expm1: Math.expm1, tanh: Math.tanh,
  sin: Math.sin, cos: Math.cos, sinh: Math.sinh, cosh: Math.cosh, arctan: Math.atan,
  sqrt: Math.sqrt, abs: Math.abs, sign: Math.sign, maximum: Math.max, minimum: Math.min,
  where: (c, a, b) => (c ? a : b),
};
const arity = {maximum: 2, minimum: 2, where: 3};

// A function of (x, y) from text such as "x * tanh(x)"; throws what is wrong, as {at, token}.
// Read by hand, since an address that is shared may hold one: nothing of it is run as script.
function parse(text) {
  const tokens = [...text.matchAll(/\s*(?:(\d+\.?\d*(?:e[+-]?\d+)?|\.\d+)|([a-z_]\w*)|(\*\*|[<>]=?|[-+*/(),]|\S))/giy)];
  let at = 0;
  const word = () => tokens[at]?.[0].trim() ?? "";
  const fail = () => {
    throw Object.assign(new Error(word() || "…"), {token: word() || "…"});
  };
  const take = (wanted) => (word() === wanted ? Boolean(++at) : false);
  const binary = (next, operators) => () => {
    let left = next();
    for (let name; (name = word()) in operators; ) {
      at++;
      const a = left, b = next(), f = operators[name];
      left = (x, y) => f(a(x, y), b(x, y));
    }
    return left;
  };
  function atom() {
    const token = tokens[at] ?? fail();
    if (token[1]) {
      at++;
      const value = Number(token[1]);
      return () => value;
    }
    if (take("(")) {
      const inside = comparison();
      return take(")") ? inside : fail();
    }
    const name = token[2];
    if (name === "x" || name === "y") {
      at++;
      return name === "x" ? (x) => x : (_, y) => y;
    }
    if (name === "pi") return at++, () => Math.PI;
    if (!Object.hasOwn(typed, name ?? "")) fail();
    at++;
    if (!take("(")) fail();
    const f = typed[name], given = [comparison()];
    while (take(",")) given.push(comparison());
    if (given.length !== (arity[name] ?? 1) || !take(")")) fail();
    return (x, y) => f(...given.map((g) => g(x, y)));
  }
  function power() {
    const base = atom();
    if (!take("**")) return base;
    const exponent = unary();
    return (x, y) => base(x, y) ** exponent(x, y);
  }
  function unary() {
    if (take("+")) return unary();
    if (!take("-")) return power();
    const inside = unary();
    return (x, y) => -inside(x, y);
  }
  const product = binary(unary, {"*": (a, b) => a * b, "/": (a, b) => a / b});
  const sum = binary(product, {"+": (a, b) => a + b, "-": (a, b) => a - b});
  const comparison = binary(sum, {">": (a, b) => +(a > b), "<": (a, b) => +(a < b),
    ">=": (a, b) => +(a >= b), "<=": (a, b) => +(a <= b)});
  const result = comparison();
  return at === tokens.length ? result : fail();
}

// {f, df} as the engine wants an activation, from two texts; `wrong` says where f' is not the
// slope of f: {x, typed, measured}, or null
function own_activation(text, slope_text) {
  const value = parse(text), slope = parse(slope_text);
  let wrong = null;
  for (let x = -2.95; x < 3 && !wrong; x += 0.1) {
    const h = 1e-5, measured = (value(x + h) - value(x - h)) / (2 * h), at = slope(x, value(x));
    if (!(Math.abs(at - measured) <= 1e-4 * Math.max(1, Math.abs(measured))))
      wrong = {x, typed: at, measured};
  }
  return {
    wrong,
    f: (x, y) => x.forEach((v, i) => (y[i] = value(v, 0))),
    df: (x, y, slopes) => x.forEach((v, i) => (slopes[i] = slope(v, y[i]))),
  };
}

const in_numpy = (text) => text.replace(/[a-z_]\w*/gi, (name) =>
  Object.hasOwn(typed, name) || name === "pi" ? `np.${name}` : name);

// ------------------------------------------------------------------------------------ Python

// A script that builds, trains and measures the same model with tinynet on the same rows.
function python(settings, data) {
  const lines = ["import numpy as np", "import tinynet as keras",
    "from tinynet.layers import Dense, Dropout, Input", ""];
  const matrix = ({x, N, D}) => JSON.stringify(Array.from({length: N}, (_, i) =>
    Array.from(x.subarray(i * D, i * D + D))));
  if (settings.data === "digits")
    lines.push("(x, y), (x_test, y_test) = keras.datasets.digits.load_data()",
      'x, x_test = (a.reshape(-1, 64).clip(0, 15) / 15 for a in (x, x_test))');
  else for (const [name, part] of [["", data.train], ["_test", data.test]])
    lines.push(`x${name} = np.array(${matrix(part)})`,
      `y${name} = np.array(${JSON.stringify(Array.from(part.y))})`);
  if (settings.layers.some((l) => l.activation === "own"))
    lines.push("", "", "def f(x):", `    return ${in_numpy(settings.f)}`, "", "",
      "def df(x, y):", `    return ${in_numpy(settings.df)}`, "", "",
      "own = keras.activations.Elementwise(f, df)");
  if (settings.layers.some((l) => l.activation === "threshold"))
    lines.push("threshold = keras.activations.threshold.with_options(threshold=0.0, default_value=0.0)");
  const {l1, l2} = settings;
  const penalty = l1 || l2 ? `, kernel_regularizer=keras.regularizers.L1L2(${l1}, ${l2})` : "";
  lines.push("", `keras.utils.set_random_seed(${settings.seed})`, "model = keras.Sequential([",
    `    Input((${settings.inputs},)),`);
  for (const {units, activation, dropout} of settings.layers) {
    const f = ["own", "threshold"].includes(activation) ? activation : `"${activation}"`;
    lines.push(`    Dense(${units}, activation=${f}, kernel_initializer="${settings.initializer}"${penalty}),`);
    if (dropout) lines.push(`    Dropout(${dropout}),`);
  }
  const {name, ...options} = settings.optimizer;
  const written = Object.entries(options).map(([k, v]) => `${k}=${v}`).join(", ");
  const metrics = settings.loss.endsWith("crossentropy") ? ', metrics=["accuracy"]' : "";
  lines.push("])", `model.compile(keras.optimizers.${name}(${written}), "${settings.loss}"${metrics})`,
    `model.fit(x, y, batch_size=${settings.batch}, epochs=20, validation_data=(x_test, y_test))`, "");
  return lines.join("\n");
}
