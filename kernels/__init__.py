"""The kernels of one training step, once per device, all behind the same interface.

`load("reference")` returns the module of a device. Every module defines the functions below with
the same parameters in the same order; `reference/` (NumPy) is the specification, short enough to
be read as one. N rows, D inputs, H units, C classes; `dv` is the gradient of the loss by `v`.
Inputs come first; outputs are keyword-only, last, and fully overwritten. Kernels check nothing.
An output given as None is not wanted. `w` in a loss is each row's share of the mean (N,): there,
and nowhere else, 1/N enters. x of `linear` and `linear_dW` may be a sparse matrix of SciPy's.

function                      equation                                     overwritten
gather                        out[i] = data[rows[i]], cast to out's dtype  out (N, ...)
linear                        y = x W + b                                  y (N, H)
linear_dx                     dx = dy W^T                                  dx (N, D)
linear_dW                     dW = x^T dy                                  dW (D, H)
sum_rows                      out = sum_i x[i]                             out (H,)
affine                        y = scale x + shift                          y like x
multiply, add                 y = x m; y = x + a (m and a broadcast)       y like x
transpose                     y = x with its axes in another order         y
repeat                        y[i, t] = x[i]                               y (N, T, D)
sum_steps                     y[i] = sum_t x[i, t]                         y (N, D)
max_steps, max_steps_grad     y[i] = max_t x[i, t]; ties share dy          y; dx
mask_weights                  w[i, t] = [ids != 0] / number of them        w (N, T)
embedding, embedding_grad     y[i, t] = W[ids[i, t]]; dW[id] = sum of dy   y; dW
add_to                        total += x                                   total
maximum, maximum_grad         y = max(x, z); dx, dz, 1/2 each where equal  y; dx, dz
put_columns                   y[:, first : first + D] = x  (R, D)          these columns of y
take_columns                  x = y[:, first : first + D]  (R, D)          x
elementwise, elementwise_grad y = f(x); dx = dy f'(x), f named by `kind`   y; dx
prelu, prelu_grad             y = max(x,0) + a min(x,0)                    y; dx, da
softmax, softmax_grad         y = e^x / sum e^x; dx = y (dy - sum dy y)    y; dx
log_softmax, log_softmax_grad y = x - log sum e^x; dx = dy - e^y sum dy    y; dx
sparsemax, sparsemax_grad     y = max(x - tau, 0), sum y = 1               y; dx
glu, glu_grad                 y = a sigmoid(b), x = (a, b)                 y; dx
dropout_mask                  m = [u >= rate] / (1 - rate), u from Philox  mask (N, D)
normal_mask                   m = mean + stddev n, n normal, from Philox   mask (N, D)
batchnorm, batchnorm_grad     y = g (x - mean) / sqrt(var + eps) + b       y, xhat, mean, var
batchnorm_inference (+_grad)  the same with moving mean and variance       y, xhat; dx ...
rownorm, rownorm_grad         y = g xhat + b, xhat = (x - mean) inv by row  y, xhat, inv; dx ...
activity_penalty (+_grad)     l1 sum|x_i| + l2 sum x_i^2; dx = dy + slope  losses; dx
deviation                     out = max(sqrt var, least)                   out (D,)
moving_average                a = m a + (1 - m) x                          average
sparse_softmax_crossentropy   loss_i = -w_i log softmax(z)_i[label_i]      p, losses, dz
softmax_crossentropy          loss_i = -w_i sum_c t_ic log softmax(z)_ic   p, losses, dz
sigmoid_crossentropy          loss_i = w_i mean_c CE(t_ic, sigmoid(z_ic))  p, losses, dz
sparse_crossentropy,
crossentropy,
binary_crossentropy           the same on probabilities, clipped           losses, dp
focal_crossentropy            CE's terms times alpha_c (1 - p_ic)^gamma    losses, dp
elementwise_loss              loss_i = w_i mean_c f(y_ic, t_ic), by `kind` losses, dy
categorical_hinge             loss_i = w_i max(0, 1 + max (1-t) y - t.y)   losses, dy
cosine_similarity             loss_i = -w_i t.y / (|t| |y|)                losses, dy
sparse_matches,
categorical_matches           hit_i = [argmax p_i = label_i], NaN: 0       hits (N,)
binary_matches                hit_i = mean_c [(p_ic > threshold) = t_ic]   hits (N,)
penalty_grad                  dw += l1 sign(w) + 2 l2 w                    dw
clip_by_value, clip_by_norm   g to [-c, c]; g c / max(|g|, c)              g
scale_                        x *= factor                                  x
sgd, rmsprop, adam, nadam,    one update of the flat vector of weights     w and the moments
adamax, schedule_free_adam,
adagrad, adadelta, lion,
ftrl, lamb, adafactor
update                        a user's rule, of the same kind              w and the moments
accumulate                    total += g; if due g = total/steps, total = 0   g, total
ema                           a = m a + (1-m) w; if overwrite w = a        average, w
not_negative                  w = max(w, 0)                                w
limit_norm                    w to a norm in [low, high] along `axis`      w
empty, zeros, from_host, to_host   arrays of this device
"""

import importlib

DEVICES = ("reference", "cpu", "gpu")


def load(device: str):
    """The kernel module of a device, one of `DEVICES`.

    Raises:
        ValueError: there is no device of this name.
        RuntimeError: there is no usable card for "gpu"; says why, and what to type.
    """
    if device not in DEVICES:
        raise ValueError(f"unknown device {device!r}; this version has: {', '.join(DEVICES)}")
    module = importlib.import_module(f"{__name__}.{device}")
    if device == "gpu":
        module.require()
    return module


def why_not(device: str):
    """Why a device can't be used here, or None."""
    try:
        load(device)
    except RuntimeError as reason:
        return str(reason)
    return None


def usable():
    """The devices that can be used here."""
    return tuple(device for device in DEVICES if why_not(device) is None)
