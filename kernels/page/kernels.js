// The kernels of the page that are written by hand: what works on rows and columns, in float64.
// Arrays are Float64Arrays, matrices row by row. The names are those of kernels/reference.

const copysign = (x, y) => (y < 0 || Object.is(y, -0) ? -Math.abs(x) : Math.abs(x));

// erf(x) = 2/sqrt(pi) e^(-x^2) (x + 2 x^3/3 + 4 x^5/15 + ...): all terms have the sign of x.
function erf(x) {
  if (Math.abs(x) > 2.5) return copysign(1 - erfc(Math.abs(x)), x);
  let term = x, sum = x;
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return (2 / Math.sqrt(Math.PI)) * Math.exp(-x * x) * sum;
}

// erfc(x) = e^(-x^2)/sqrt(pi) / (x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))) from 2.5 on.
function erfc(x) {
  if (!(x > 2.5)) return x < -2.5 ? 2 - erfc(-x) : 1 - erf(x);
  let fraction = x;
  for (let n = 80; n > 0; n--) fraction = x + n / 2 / fraction;
  return Math.exp(-x * x) / Math.sqrt(Math.PI) / fraction;
}

// ------------------------------------------------------------------------------------ products

// out += a b: (I, J) (J, K) -> (I, K). Neighbours in a row of a lie `a_next` entries apart, its rows
// `a_row`, and b likewise, so that either may be transposed. Four sums at a time use what was read.
function add_product(a, a_row, a_next, b, b_row, b_next, I, J, K, out) {
  const fours = K - (K % 4);
  for (let i = 0; i < I; i++) {
    const o = i * K, first = i * a_row;
    let k = 0;
    for (; k < fours; k += 4) {
      let s0 = out[o + k], s1 = out[o + k + 1], s2 = out[o + k + 2], s3 = out[o + k + 3];
      for (let j = 0, p = first, q = k * b_next; j < J; j++, p += a_next, q += b_row) {
        const v = a[p];
        s0 += v * b[q];
        s1 += v * b[q + b_next];
        s2 += v * b[q + 2 * b_next];
        s3 += v * b[q + 3 * b_next];
      }
      out[o + k] = s0;
      out[o + k + 1] = s1;
      out[o + k + 2] = s2;
      out[o + k + 3] = s3;
    }
    for (; k < K; k++) {
      let sum = out[o + k];
      for (let j = 0; j < J; j++) sum += a[first + j * a_next] * b[j * b_row + k * b_next];
      out[o + k] = sum;
    }
  }
}

// z = x W + b: (N, D) (D, H) -> (N, H)
function linear(x, W, b, N, D, H, z) {
  for (let o = 0; o < N * H; o += H) for (let k = 0; k < H; k++) z[o + k] = b[k];
  add_product(x, D, 1, W, H, 1, N, D, H, z);
}

// dW = x^T dz, db = the column sums of dz
function linear_dW(x, dz, N, D, H, dW, db) {
  dW.fill(0);
  db.fill(0);
  for (let o = 0; o < N * H; o += H) for (let k = 0; k < H; k++) db[k] += dz[o + k];
  add_product(x, 1, D, dz, H, 1, D, N, H, dW);
}

// dx = dz W^T
function linear_dx(dz, W, N, D, H, dx) {
  dx.fill(0);
  add_product(dz, H, 1, W, 1, H, N, H, D, dx);
}

function multiply(a, b, out) {
  for (let i = 0; i < out.length; i++) out[i] = a[i] * b[i];
}

// --------------------------------------------------------------------------------- losses of rows
// From logits z (N, C): probabilities p, values (N,), and dz = w (p - target). w_i is row i's share.

function softmax_crossentropy(z, labels, w, N, C, p, values, dz) {
  for (let i = 0, o = 0; i < N; i++, o += C) {
    let top = -Infinity, sum = 0;
    for (let k = 0; k < C; k++) top = Math.max(top, z[o + k]);
    for (let k = 0; k < C; k++) sum += Math.exp(z[o + k] - top);
    const log_sum = Math.log(sum);
    for (let k = 0; k < C; k++) {
      p[o + k] = Math.exp(z[o + k] - top - log_sum);
      if (dz) dz[o + k] = w[i] * (p[o + k] - (k === labels[i] ? 1 : 0));
    }
    values[i] = -w[i] * (z[o + labels[i]] - top - log_sum);
  }
}

// -t log p - (1 - t) log(1 - p) = max(z, 0) - z t + log(1 + e^-|z|)
function sigmoid_crossentropy(z, targets, w, N, p, values, dz) {
  formulas.activations.sigmoid.f(z, p);
  for (let i = 0; i < N; i++) {
    const tail = Math.log1p(Math.exp(-Math.abs(z[i])));
    values[i] = w[i] * (Math.max(z[i], 0) - z[i] * targets[i] + tail);
    if (dz) dz[i] = w[i] * (p[i] - targets[i]);
  }
}

// ----------------------------------------------------------------------------------------- dropout

// The 128 bits of a b, for a and b of 64 bits each as [low, high] words of 32: four words.
function product64(a, b) {
  const [a0, a1] = a, [b0, b1] = b;
  const w00 = product32(a0, b0), w01 = product32(a0, b1), w10 = product32(a1, b0);
  const w11 = product32(a1, b1);
  const second = w00[1] + w01[0] + w10[0];
  const third = w01[1] + w10[1] + w11[0] + Math.floor(second / 2 ** 32);
  return [w00[0], second >>> 0, third >>> 0, (w11[1] + Math.floor(third / 2 ** 32)) >>> 0];
}

function product32(a, b) {
  const low = Math.imul(a, b) >>> 0;
  const a0 = a & 0xffff, a1 = a >>> 16, b0 = b & 0xffff, b1 = b >>> 16;
  const middle = a1 * b0 + Math.floor((a0 * b0) / 65536);
  const rest = a0 * b1 + (middle & 0xffff);
  return [low, a1 * b1 + Math.floor(middle / 65536) + Math.floor(rest / 65536)];
}

const add64 = ([a0, a1], [b0, b1]) =>
  [(a0 + b0) >>> 0, (a1 + b1 + (a0 + b0 > 0xffffffff ? 1 : 0)) >>> 0];
const whole64 = (n) => [n >>> 0, Math.floor(n / 2 ** 32) >>> 0];

const PHILOX_M0 = [0xe14c6c93, 0xd2e7470e], PHILOX_M1 = [0x95121157, 0xca5a8263];
const PHILOX_W0 = [0x7f4a7c15, 0x9e3779b9], PHILOX_W1 = [0x84caa73b, 0xbb67ae85];

// Philox4x64-10 (Salmon et al. 2011): eight words of 32 bits for a counter and a key.
function philox(counter, key) {
  let [c0, c1, c2, c3] = counter, [k0, k1] = key;
  for (let round = 0; round < 10; round++) {
    const p0 = product64(c0, PHILOX_M0), p1 = product64(c2, PHILOX_M1);
    const n0 = [(p1[2] ^ c1[0] ^ k0[0]) >>> 0, (p1[3] ^ c1[1] ^ k0[1]) >>> 0];
    const n2 = [(p0[2] ^ c3[0] ^ k1[0]) >>> 0, (p0[3] ^ c3[1] ^ k1[1]) >>> 0];
    [c0, c1, c2, c3] = [n0, [p1[0], p1[1]], n2, [p0[0], p0[1]]];
    k0 = add64(k0, PHILOX_W0);
    k1 = add64(k1, PHILOX_W1);
  }
  return [...c0, ...c1, ...c2, ...c3];
}

// mask = [u >= rate] / (1 - rate): the masks of kernels/reference, row by row, for the same key
function dropout_mask(rate, key, step, N, D, mask) {
  if (rate === 1) return void mask.fill(0);
  const blocks = Math.ceil(D / 8), least = Math.floor(rate * 2 ** 32);
  for (let i = 0; i < N; i++)
    for (let b = 0; b < blocks; b++) {
      const counter = [i * blocks + b + 1, step, 0, 0].map(whole64);
      const u = philox(counter, key.map(whole64));
      for (let j = 8 * b; j < Math.min(D, 8 * b + 8); j++)
        mask[i * D + j] = u[j - 8 * b] >= least ? 1 / (1 - rate) : 0;
    }
}
