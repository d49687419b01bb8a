"""Products with inputs that are mostly zeros, one thread's share: what is zero is left out."""

from ._cpu_low import add_4_multiples, add_8_multiples, add_multiple
from ._cpu_ops import cast, jit


@jit
def sparse_linear(x, W, b, y, columns, values):
    """y = x W + b, reading only the rows of W where x is not zero; four of them per pass over y."""
    D, H = W.shape
    zero = x.dtype.type(0)
    for i in range(x.shape[0]):
        row, out = x[i], y[i]
        count = 0
        for k in range(D):
            columns[count] = k
            values[count] = row[k]
            count += row[k] != zero
        out[:] = zero
        for j in range(b.size):
            out[j] = b[j]
        full = count - count % 4
        for c in range(0, full, 4):
            v0, v1, v2, v3 = values[c], values[c + 1], values[c + 2], values[c + 3]
            w0, w1 = W[columns[c]], W[columns[c + 1]]
            w2, w3 = W[columns[c + 2]], W[columns[c + 3]]
            for j in range(H):
                out[j] += (v0 * w0[j] + v1 * w1[j]) + (v2 * w2[j] + v3 * w3[j])
        for c in range(full, count):
            v0, w0 = values[c], W[columns[c]]
            for j in range(H):
                out[j] += v0 * w0[j]


TILE = 16  # columns of x that share a cache line


@jit
def sparse_dW(x, dy, first, last, dW, rows, values, counts):
    """dW = x^T dy for rows first..last of dW, reading only the entries of x that are not zero."""
    N, H = dy.shape
    zero = x.dtype.type(0)
    for start in range(first, last, TILE):
        stop = min(start + TILE, last)
        counts[:] = 0
        for i in range(N):
            for j in range(start, stop):
                t = j - start
                rows[t, counts[t]] = i
                values[t, counts[t]] = x[i, j]
                counts[t] += x[i, j] != zero
        for t in range(stop - start):
            out, count = dW[start + t], counts[t]
            full = count - count % 4
            out[:] = zero
            for c in range(0, full, 4):
                v0, v1 = values[t, c], values[t, c + 1]
                v2, v3 = values[t, c + 2], values[t, c + 3]
                d0, d1 = dy[rows[t, c]], dy[rows[t, c + 1]]
                d2, d3 = dy[rows[t, c + 2]], dy[rows[t, c + 3]]
                for j in range(H):
                    out[j] += (v0 * d0[j] + v1 * d1[j]) + (v2 * d2[j] + v3 * d3[j])
            for c in range(full, count):
                v0, d0 = values[t, c], dy[rows[t, c]]
                for j in range(H):
                    out[j] += v0 * d0[j]


@jit
def nonzeros(row, columns, values, count):
    """Append the entries of a row that are not zero; returns how many there are by now."""
    nothing, zero = row.dtype.type(0), values.dtype.type(0)
    for k in range(0, row.size, 16):
        part = row[k : k + 16]
        some = 0
        for j in range(part.size):
            some |= part[j] != nothing
        if some:
            for j in range(part.size):
                value = values.dtype.type(part[j])
                columns[count], values[count] = k + j, value
                count += value != zero
    return count


@jit
def copy_rows(source, target):
    """target[:, :H] = source (n, H); target's rows may be longer."""
    for i in range(source.shape[0]):
        cast(source[i], target[i])


@jit
def entries_linear(starts, columns, values, W, W_stride, b, y, y_address):
    """y = x W + b for rows of x given by their entries that are not zero; W is an address."""
    H = y.shape[1]
    for i in range(y.shape[0]):
        y[i, :] = values.dtype.type(0)
        for j in range(b.size):
            y[i, j] = b[j]
        out = y_address + i * H * values.itemsize
        add_entries(starts[i], starts[i + 1], columns, values, W, W_stride, out, H)


@jit
def add_entries(c, end, columns, values, W, W_stride, out, H):
    """out += x W for the entries c..end of one row x; W and out (H,) are addresses."""
    while c + 8 <= end:
        add_8_multiples(
            out, W + columns[c] * W_stride, W + columns[c + 1] * W_stride,
            W + columns[c + 2] * W_stride, W + columns[c + 3] * W_stride,
            W + columns[c + 4] * W_stride, W + columns[c + 5] * W_stride,
            W + columns[c + 6] * W_stride, W + columns[c + 7] * W_stride,
            values[c], values[c + 1], values[c + 2], values[c + 3],
            values[c + 4], values[c + 5], values[c + 6], values[c + 7], H,
        )  # fmt: skip
        c += 8
    while c < end:
        add_multiple(out, W + columns[c] * W_stride, values[c], H)
        c += 1


@jit
def first_from(columns, c, end, column):
    """The first of the entries c..end, ascending, whose column is not below `column`."""
    while c < end:
        middle = (c + end) // 2
        if columns[middle] < column:
            c = middle + 1
        else:
            end = middle
    return c


@jit
def add_outer(starts, columns, values, low, high, dy, dW, H):
    """dW += x^T dy for columns low..high of x, given by its entries; dy and dW are addresses.

    Each entry adds to one row of dW: for rows with far fewer entries than columns.
    """
    for i in range(starts.size - 1):
        c, end = starts[i], starts[i + 1]
        if low > 0:
            c = first_from(columns, c, end, low)
        while c < end and columns[c] < high:
            add_multiple(dW + columns[c] * H * values.itemsize, dy, values[c], H)
            c += 1
        dy += H * values.itemsize


@jit
def sort_by_column(starts, columns, values, first, last, stride, places, rows, factors):
    """Entries of rows first..last column by column: `places[k]` is where column k ends, `rows` has
    the offset of each entry's row, `factors` its value.
    """
    places[:] = 0
    for c in range(starts[first], starts[last]):
        places[columns[c] + 1] += 1
    for k in range(places.size - 1):
        places[k + 1] += places[k]
    for i in range(first, last):
        for c in range(starts[i], starts[i + 1]):
            k = columns[c]
            at = places[k]
            rows[at], factors[at] = (i - first) * stride, values[c]
            places[k] = at + 1


@jit
def entries_dW(places, rows, factors, dy, dW, D, H):
    """dW += x^T dy for entries sorted by column; dy and dW are addresses.

    Each row of dW is written once, and the few rows of dy stay in the nearest cache.
    """
    c = 0
    for k in range(D):
        end, out = places[k], dW + k * H * factors.itemsize
        while c + 4 <= end:
            add_4_multiples(
                out, dy + rows[c], dy + rows[c + 1], dy + rows[c + 2], dy + rows[c + 3],
                factors[c], factors[c + 1], factors[c + 2], factors[c + 3], H,
            )  # fmt: skip
            c += 4
        while c < end:
            add_multiple(out, dy + rows[c], factors[c], H)
            c += 1
