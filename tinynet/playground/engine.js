// The engine of the page: a stack of Dense layers with dropout, its loss, its optimizer, one step.
// It reads as the Python does: forward, loss, backward, penalties, update. Everything is float64.

// -------------------------------------------------------------------------------- random numbers

// A small generator (splitmix, 32 bits), for data, first weights and the order of the rows; masks
// of dropout come from Philox, as in tinynet.
class Random {
  constructor(seed) {
    this.state = seed >>> 0;
  }
  uniform(low = 0, high = 1) {
    this.state = (this.state + 0x9e3779b9) >>> 0;
    let z = this.state;
    z = Math.imul(z ^ (z >>> 16), 0x85ebca6b);
    z = Math.imul(z ^ (z >>> 13), 0xc2b2ae35);
    return low + (high - low) * (((z ^ (z >>> 16)) >>> 0) / 2 ** 32);
  }
  normal() {
    const radius = Math.sqrt(-2 * Math.log(1 - this.uniform()));
    return radius * Math.cos(2 * Math.PI * this.uniform());
  }
  truncated() {
    for (;;) {
      const z = this.normal();
      if (Math.abs(z) < 2) return z / 0.87962566103423978;
    }
  }
  permutation(n) {
    const order = Array.from({length: n}, (_, i) => i);
    for (let i = n - 1; i > 0; i--) {
      const j = Math.floor(this.uniform(0, i + 1));
      [order[i], order[j]] = [order[j], order[i]];
    }
    return order;
  }
}

// name -> (rng, fan_in, fan_out) => one weight
const initializers = {
  he_normal: (r, i) => Math.sqrt(2 / i) * r.truncated(),
  he_uniform: (r, i) => r.uniform(-1, 1) * Math.sqrt(6 / i),
  glorot_uniform: (r, i, o) => r.uniform(-1, 1) * Math.sqrt(6 / (i + o)),
  glorot_normal: (r, i, o) => Math.sqrt(2 / (i + o)) * r.truncated(),
  lecun_normal: (r, i) => Math.sqrt(1 / i) * r.truncated(),
  random_normal: (r) => 0.05 * r.normal(),
  zeros: () => 0,
};

// -------------------------------------------------------------------------------------- a layer

const rowwise = {
  softmax: {
    f(x, C, y) {
      for (let o = 0; o < x.length; o += C) {
        let top = -Infinity, sum = 0;
        for (let k = o; k < o + C; k++) top = Math.max(top, x[k]);
        for (let k = o; k < o + C; k++) sum += y[k] = Math.exp(x[k] - top);
        for (let k = o; k < o + C; k++) y[k] /= sum;
      }
    },
    // dx_k = y_k (dy_k - sum_j dy_j y_j)
    df(y, dy, C, dx) {
      for (let o = 0; o < y.length; o += C) {
        let dot = 0;
        for (let k = o; k < o + C; k++) dot += dy[k] * y[k];
        for (let k = o; k < o + C; k++) dx[k] = y[k] * (dy[k] - dot);
      }
    },
  },
};

class Dense {
  constructor(inputs, units, activation, own) {
    Object.assign(this, {inputs, units, activation});
    this.rows = rowwise[activation];
    this.formula = own || formulas.activations[kinds[activation]?.kind];
    this.options = own ? [] : kinds[activation]?.params;
    this.x = this.z = this.y = null;
  }
  get size() {
    return (this.inputs + 1) * this.units;
  }
  // W and b, and their gradients, are views of the model's flat vectors
  view(w, g, at) {
    const kernel = this.inputs * this.units;
    [this.W, this.dW] = [w, g].map((a) => a.subarray(at, at + kernel));
    [this.b, this.db] = [w, g].map((a) => a.subarray(at + kernel, at + this.size));
  }
  logits(x, N) {
    this.x = x;
    this.z = new Float64Array(N * this.units);
    linear(x, this.W, this.b, N, this.inputs, this.units, this.z);
    return this.z;
  }
  forward(x, N) {
    this.logits(x, N);
    this.y = new Float64Array(N * this.units);
    if (this.rows) this.rows.f(this.z, this.units, this.y);
    else this.formula.f(this.z, ...this.options, this.y);
    return this.y;
  }
  backward(dy, N, needs_dx) {
    this.dy = dy;
    const dz = new Float64Array(dy.length);
    if (this.rows) this.rows.df(this.y, dy, this.units, dz);
    else {
      this.formula.df(this.z, this.y, ...this.options, dz);
      multiply(dy, dz, dz);
    }
    return this.backward_from_logits(dz, N, needs_dx);
  }
  backward_from_logits(dz, N, needs_dx) {
    this.dz = dz;
    linear_dW(this.x, dz, N, this.inputs, this.units, this.dW, this.db);
    if (!needs_dx) return null;
    const dx = new Float64Array(N * this.inputs);
    linear_dx(dz, this.W, N, this.inputs, this.units, dx);
    return dx;
  }
}

// -------------------------------------------------------------------------------------- the model

// The numbers of update number t (from 1) at the rate lr, as each optimizer's `scalars` in tinynet.
const scalars = {
  adam: (o, t, lr) => ({alpha: (lr * Math.sqrt(1 - o.beta_2 ** t)) / (1 - o.beta_1 ** t)}),
  ftrl: (o, t, lr) => ({
    power: o.learning_rate_power, l1: o.l1_regularization_strength,
    l2: 2 * o.l2_regularization_strength + o.beta / lr,
    shrinkage: o.l2_shrinkage_regularization_strength,
  }),
  adamax: (o, t, lr) => ({alpha: lr / (1 - o.beta_1 ** t)}),
  nadam(o, t, lr) {
    const mu = (i) => o.beta_1 * (1 - 0.5 * 0.96 ** i);
    let now = 1;
    for (let i = 1; i <= t; i++) now *= mu(i);
    const after = now * mu(t + 1);
    return {
      m_rate: (lr * mu(t + 1)) / (1 - after),
      g_rate: (lr * (1 - mu(t))) / (1 - now),
      v_root: 1 / Math.sqrt(1 - o.beta_2 ** t),
    };
  },
};

// settings: {inputs, layers: [{units, activation, dropout, own}], loss, optimizer: {name, ...options},
//   l1, l2, initializer, seed}; the last layer is the output. `own` is {f, df} of an own formula.
class Model {
  constructor(settings) {
    this.settings = settings;
    this.layers = [];
    let inputs = settings.inputs;
    for (const {units, activation, own} of settings.layers) {
      this.layers.push(new Dense(inputs, units, activation, own));
      inputs = units;
    }
    const size = this.layers.reduce((sum, layer) => sum + layer.size, 0);
    this.optimizer = {...optimizers[settings.optimizer.name], ...settings.optimizer};
    this.rule = formulas.rules[this.optimizer.rule];
    const {moments} = this.rule, count = 3 + moments.length;
    this.state = new Float64Array(count * size); // weights first: all that training goes on from
    [this.w, this.g, this.change, ...this.moments] = Array.from({length: count}, (_, i) =>
      this.state.subarray(i * size, (i + 1) * size));
    this.moments.forEach((m, i) => m.fill(this.optimizer.initial[moments[i]] ?? 0));
    let at = 0;
    for (const layer of this.layers) {
      layer.view(this.w, this.g, at);
      layer.from = at;
      at += layer.size;
    }
    const random = new Random(settings.seed);
    for (const {W, inputs, units} of this.layers)
      for (let i = 0; i < W.length; i++)
        W[i] = initializers[settings.initializer](random, inputs, units);
    this.steps = 0;
    this.loss = null;
  }

  // The outputs of all layers for the rows of x; with dropout in training.
  forward(x, N, training = false) {
    this.masks = [];
    const outputs = [];
    for (let L = 0; L < this.layers.length; L++) {
      const layer = this.layers[L], {dropout} = this.settings.layers[L];
      const last = L === this.layers.length - 1, fused = last && this.fused;
      x = fused ? layer.logits(x, N) : layer.forward(x, N);
      outputs.push(x);
      if (training && dropout) {
        const mask = new Float64Array(x.length), y = new Float64Array(x.length);
        dropout_mask(dropout, [this.settings.seed + L, 0], this.steps, N, layer.units, mask);
        multiply(x, mask, y);
        this.masks[L] = mask;
        x = y;
      }
    }
    return outputs;
  }

  // Softmax and sigmoid below their cross-entropy are computed together with it, from the logits.
  get fused() {
    const {activation} = this.settings.layers.at(-1), {loss} = this.settings;
    return (loss === "sparse_categorical_crossentropy" && activation === "softmax") ||
      (loss === "binary_crossentropy" && activation === "sigmoid");
  }

  // {p: predictions, values: of the rows, dy: the gradient where backward begins}
  measure(y, N, gradient) {
    const last = this.layers.at(-1), C = last.units, w = new Float64Array(N).fill(1 / N);
    const values = new Float64Array(N), dy = gradient ? new Float64Array(N * C) : null;
    const {loss} = this.settings;
    if (this.fused) {
      const p = new Float64Array(N * C);
      if (loss === "binary_crossentropy") sigmoid_crossentropy(last.z, y, w, N * C, p, values, dy);
      else softmax_crossentropy(last.z, y, w, N, C, p, values, dy);
      return {p, values, dy};
    }
    const {f, df} = formulas.losses[lossKinds[loss].kind], {params} = lossKinds[loss];
    f(last.y, y, ...params, values);
    multiply(values, w, values);
    if (gradient) {
      df(last.y, y, ...params, dy);
      multiply(dy, w, dy);
    }
    return {p: last.y, values, dy};
  }

  penalty(gradient) {
    const {l1, l2} = this.settings;
    let sum = 0;
    if (!l1 && !l2) return sum;
    for (const {W, dW} of this.layers)
      for (let i = 0; i < W.length; i++) {
        sum += l1 * Math.abs(W[i]) + l2 * W[i] * W[i];
        if (gradient) dW[i] += l1 * Math.sign(W[i]) + 2 * l2 * W[i];
      }
    return sum;
  }

  backward(dy, N) {
    for (let L = this.layers.length - 1; L >= 0; L--) {
      if (this.masks[L]) {
        const dx = new Float64Array(dy.length);
        multiply(dy, this.masks[L], dx);
        dy = dx;
      }
      const from_logits = L === this.layers.length - 1 && this.fused;
      const how = from_logits ? "backward_from_logits" : "backward";
      dy = this.layers[L][how](dy, N, L > 0);
    }
  }

  update() {
    const {w, g, optimizer: o, rule} = this, lr = o.learning_rate, t = this.steps + 1;
    this.change.set(w);
    if (o.weight_decay) for (let i = 0; i < w.length; i++) w[i] *= 1 - o.weight_decay * lr;
    const numbers = {...o, lr, ...scalars[o.rule]?.(o, t, lr)};
    rule.apply(g, w, ...this.moments, ...rule.options.map((name) => Number(numbers[name])));
    for (let i = 0; i < w.length; i++) this.change[i] = w[i] - this.change[i];
    this.steps++;
  }

  // One training step; returns the loss before it.
  train_step(x, y, N) {
    this.forward(x, N, true);
    const {values, dy} = this.measure(y, N, true);
    this.backward(dy, N);
    const loss = values.reduce((a, b) => a + b, 0) + this.penalty(true);
    this.update();
    return loss;
  }

  // {loss, accuracy (or null), p} without dropout; the penalty counts.
  evaluate(x, y, N) {
    this.forward(x, N);
    const {p, values} = this.measure(y, N, false), C = this.layers.at(-1).units;
    let right = 0;
    for (let i = 0; i < N; i++)
      right += (C > 1 ? largest(p, i * C, C) : Number(p[i] > 0.5)) === y[i];
    const counts = this.settings.loss.endsWith("crossentropy");
    const loss = values.reduce((a, b) => a + b, 0) + this.penalty(false);
    return {loss, accuracy: counts ? right / N : null, p};
  }

  save() {
    return {state: this.state.slice(), steps: this.steps};
  }
  restore({state, steps}) {
    this.state.set(state);
    this.steps = steps;
  }
}

function largest(p, from, C) {
  let best = 0;
  for (let k = 1; k < C; k++) if (p[from + k] > p[from + best]) best = k;
  return best;
}

// The rows of step number `step`: an own order for each epoch, which follows from the seed.
function batch_of(step, data, size, seed) {
  const per = Math.ceil(data.N / size), epoch = Math.floor(step / per), first = (step % per) * size;
  if (batch_of.key !== `${seed}/${epoch}/${data.N}`) {
    batch_of.key = `${seed}/${epoch}/${data.N}`;
    batch_of.order = new Random(seed * 7919 + epoch * 104729 + 1).permutation(data.N);
  }
  const rows = batch_of.order.slice(first, first + size), D = data.D;
  const x = new Float64Array(rows.length * D), y = new Float64Array(rows.length);
  rows.forEach((row, i) => {
    x.set(data.x.subarray(row * D, row * D + D), i * D);
    y[i] = data.y[row];
  });
  return {x, y, N: rows.length};
}
