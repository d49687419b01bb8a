// The settings, what follows from them, and the run: a network that goes back and forth in time.

const GIVEN = JSON.parse(document.getElementById("given").textContent);
const DIGITS = GIVEN.digits;
const $ = (id) => document.getElementById(id);

// ---------------------------------------------------------------------------------------- words

let language = (navigator.language || "en").startsWith("ko") ? "ko" : "en";
const say = (key, parts = {}) =>
  GIVEN.text[key][language].replace(/\{(\w+)\}/g, (_, name) => parts[name]);

// ------------------------------------------------------------------------------------- settings

const BATCHES = [1, 2, 4, 8, 16, 32, 64, 128, 256];
const RATES = [0.0001, 0.0003, 0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3];
const PENALTIES = [0, 0.0001, 0.001, 0.003, 0.01, 0.03, 0.1];
const DROPOUTS = [0, 0.1, 0.2, 0.3, 0.5];
const SPEEDS = [1, 2, 5, 10, 25, 100];
const MOST_UNITS = 16, MOST_LAYERS = 6;
const SETS = [...Object.keys(planes), "points", ...(DIGITS ? ["digits"] : [])];
const LOSSES = {
  binary: ["binary_crossentropy", ...Object.keys(lossKinds)],
  classes: ["sparse_categorical_crossentropy"],
  real: Object.keys(lossKinds),
};
const choices = {
  initializer: Object.keys(initializers), optimizer: Object.keys(optimizers),
  activation: [...Object.keys(kinds), "softmax", "own"],
};
const start = {
  data: "spirals", noise: 0.1, share: 0.6, batch: 32, seed: 1, points: [],
  hidden: [{units: 8, activation: "tanh", dropout: 0}, {units: 8, activation: "tanh", dropout: 0}],
  initializer: "glorot_uniform", optimizer: "Adam", rate: 0.01, loss: "binary_crossentropy",
  l1: 0, l2: 0, f: "x * tanh(log(1 + exp(x)))", df: "y / x + x * (1 - (y / x)**2) / (1 + exp(-x))",
};
let chosen = from_address() ?? structuredClone(start);
let data, run, ghost = null, playing = false, selected = [0, 0], own = null, cross = [0, 0];

// What the engine is to train: the visitor's choices and what follows from the data
function settings_of(c) {
  const outputs = {binary: [1, "sigmoid"], classes: [data.classes, "softmax"], real: [1, "linear"]};
  const [units, activation] = outputs[data.task];
  const hidden = c.hidden.map((layer) => ({...layer, own: layer.activation === "own" ? own : undefined}));
  return {...c, inputs: data.train.D, layers: [...hidden, {units, activation, dropout: 0}],
    optimizer: {name: c.optimizer, learning_rate: c.rate}};
}

// ------------------------------------------------------------------- a run, back and forth in time

class Run {
  constructor(settings) {
    this.settings = settings;
    this.model = new Model(settings);
    this.saved = new Map([[0, this.model.save()]]);
    this.curve = [];
    this.measure();
  }
  step() {
    const {batch, seed} = this.settings, {model} = this;
    const {x, y, N} = batch_of(model.steps, data.train, batch, seed);
    model.train_step(x, y, N);
    this.saved.set(model.steps, model.save());
    if (this.saved.size > 400) {  // older states are kept more and more rarely
      const steps = [...this.saved.keys()].sort((a, b) => a - b);
      steps.slice(1, 300).forEach((s, i) => i % 2 && this.saved.delete(s));
    }
  }
  go_to(step) {
    if (step < this.model.steps) {
      const from = Math.max(...[...this.saved.keys()].filter((s) => s <= step));
      this.model.restore(this.saved.get(from));
    }
    while (this.model.steps < step) {
      this.step();
      if (this.model.steps % 10 === 0) this.measure();
    }
    this.measure();
  }
  // Measure, if steps have been taken since
  keep_up() {
    if (this.now.step !== this.model.steps) this.measure();
  }
  // Forget what came after: the settings have changed
  cut() {
    for (const step of this.saved.keys()) if (step > this.model.steps) this.saved.delete(step);
    this.curve = this.curve.filter((p) => p.step <= this.model.steps);
  }
  measure() {
    const {x, y, N} = data.train, {x: tx, y: ty, N: tN} = data.test;
    const test = tN ? this.model.evaluate(tx, ty, tN) : null;
    const train = this.model.evaluate(x, y, N);
    this.dead = this.model.layers.slice(0, -1).map((layer) => {
      let count = 0;
      for (let k = 0; k < layer.units; k++) count += largest_of(layer.y, layer.units, k) === 0;
      return count;
    });
    this.now = {step: this.model.steps, train: train.loss, test: test ? test.loss : NaN,
      accuracy: test && test.accuracy};
    this.p = test ? test.p : null;
    const at = this.curve.findIndex((p) => p.step >= this.now.step);
    if (at < 0) this.curve.push(this.now);
    else if (this.curve[at].step === this.now.step) this.curve[at] = this.now;
    if (this.curve.length > 1200) this.curve = this.curve.filter((_, i) => i % 2 === 0);
  }
}

function begin() {
  data = split(chosen);
  if (!LOSSES[data.task].includes(chosen.loss)) chosen.loss = LOSSES[data.task][0];
  read_own();
  const runs = data.train.N > 1; // own points begin with none
  playing = playing && runs;
  run = runs ? new Run(settings_of(chosen)) : null;
  if (ghost) ghost = ghost.data === chosen.data ? keep(ghost.chosen) : null;
  fill();
  draw();
}

function keep(settings) {
  const kept = new Run(settings_of(settings));
  return {run: kept, chosen: settings, data: settings.data};
}

// Change a setting that training can go on with
function change() {
  if (!run) return;
  run.cut();
  const before = run.settings;
  run.settings = settings_of(chosen);
  Object.assign(run.model.settings, {l1: chosen.l1, l2: chosen.l2, layers: run.settings.layers});
  run.model.optimizer.learning_rate = chosen.rate;
  run.settings.batch = chosen.batch ?? before.batch;
  draw();
}

function travel(step) {
  if (!run) return;
  playing = false;
  run.go_to(Math.max(0, step));
  ghost?.run.go_to(Math.max(0, step));
  draw();
  announce();
}
