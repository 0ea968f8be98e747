"""Typical wrong answers to the exercises; each check must reject its own.

{notebook: {exercise: [function as text, …]}}, two or more for each exercise.
A text may use the exercise's solution, such as diagonal_solution, what the
notebook defines, torch, nn, F and d2l. It must give an answer, not stop.
"""
WRONG_ANSWERS = {
    "01": {
        "count_weights": [
            "lambda n, delta: [n ** 2, (2 * n - 1) ** 2, "
            "(2 * delta + 1) ** 2]",
            "lambda n, delta: [n ** 4, n ** 2, (2 * delta + 1) ** 2]",
            "lambda n, delta: [n ** 4, (2 * n + 1) ** 2, "
            "(2 * delta + 1) ** 2]",
            "lambda n, delta: [n ** 4, (2 * n - 1) ** 2, (2 * delta) ** 2]",
            "lambda n, delta: [n ** 4, (2 * n - 1) ** 2, delta ** 2]",
            "lambda n, delta: (2 * delta + 1) ** 2",
        ],
        "per_pixel": [
            "lambda X, V: (X @ V).permute(2, 0, 1)",  # PyTorch's order
            "lambda X, V: X @ V.mT if V.shape[0] == V.shape[1] else X @ V",
            "lambda X, V: X.sum(2, keepdim=True) * V.sum(0)",
            "lambda X, V: (X @ V).sum((0, 1))",
            "lambda X, V: X",
        ],
        "over_edge": [
            "lambda n, delta: 4 * n * delta",  # the corners twice
            "lambda n, delta: 4 * delta * (n - 2 * delta)",  # no corners
            "lambda n, delta: (n - 2 * delta) ** 2",  # those inside
            "lambda n, delta: n ** 2 - (n - delta) ** 2",
            "lambda n, delta: 4 * n - 4",
        ],
        "found_row": [
            "lambda image: slide(image[None], place(0, 0)[:3, :3] * 2 - 1)[0]"
            ".argmax().item()",  # counted through all the windows
            "lambda image: image.nonzero()[-1, 0].item()",
            "lambda image: found_row_solution(image) + 1",
            "lambda image: image.nonzero()[0, 1].item()",  # the column
            "lambda image: slide(image[None], place(0, 0)[:3, :3] * 2 - 1)"
            ".max().item()",
        ],
        "corr1d": [
            "lambda X, K: corr1d_solution(X, K.flip(2))",
            "lambda X, K: corr1d_solution(X, K).T",
            "lambda X, K: corr1d_solution(X, K)[:, ::K.shape[2]]",
            "lambda X, K: corr1d_solution(X[:1], K[:, :1])",
            "lambda X, K: corr1d_solution(X, K) / K.shape[2]",
            "lambda X, K: F.conv1d(X[None], K, padding=1)[0]",
        ],
        "convolve": [
            # Cross-correlation; where the vectors overlap wholly; products
            # that belong nowhere; as long as the first vector
            "lambda f, g: convolve_solution(f, g.flip(0))",
            "lambda f, g: convolve_solution(f, g)[len(g) - 1:len(f)]",
            "lambda f, g: torch.outer(f, g).flatten()",
            "lambda f, g: convolve_solution(f, g)[:len(f)]",
            "lambda f, g: convolve_solution(f, g).flip(0)",
        ],
    },
    "00": {
        "mean": [
            "lambda a, b: a + b",
            "lambda a, b: a + b / 2",
            "lambda a, b: (a + b) // 2",
            "lambda a, b: (a - b) / 2",
        ],
    },
    "02": {
        "output_size": [
            "lambda n_h, n_w, k_h, k_w: [n_h - k_h, n_w - k_w]",
            "lambda n_h, n_w, k_h, k_w: [n_w - k_w + 1, n_h - k_h + 1]",
            "lambda n_h, n_w, k_h, k_w: [n_h - k_w + 1, n_w - k_h + 1]",
            "lambda n_h, n_w, k_h, k_w: [n_h, n_w]",
            "lambda n_h, n_w, k_h, k_w: (n_h - k_h + 1) * (n_w - k_w + 1)",
        ],
        "diagonal": [
            "lambda n: [n, -n, -n]",  # the last row has no edge
            "lambda n: [n - 1, n - 1, n - 1]",
            "lambda n: [n - 1, n - 1, 1 - n]",
            "lambda n: [1 - n, n - 1, n - 1]",  # the kernel (-1, 1)
            "lambda n: [0, 0, 0]",
            "lambda n: sum(diagonal_solution(n))",
        ],
        "as_matrix": [
            # True convolution; for columns of numbers; windows that wrap
            # round the end of a row; the kernel in the first window only
            "lambda K, h, w: as_matrix_solution(K.flip(0, 1), h, w)",
            "lambda K, h, w: as_matrix_solution(K, h, w).T",
            "lambda K, h, w: torch.stack([as_matrix_solution(K, h, w)[0]"
            ".roll(n) for n in range(len(as_matrix_solution(K, h, w)))])",
            "lambda K, h, w: as_matrix_solution(K, h, w)[:1]",
        ],
        "derivative": [
            "lambda d: -derivative_solution(d)",
            "lambda d: derivative_solution(d).flip(1)",
            "lambda d: derivative_solution(d).abs()",
            "lambda d: derivative_solution(1)",
            "lambda d: derivative_solution(d + 1)",
            "lambda d: derivative_solution(d)[0]",  # not a row of a kernel
            "lambda d: d * derivative_solution(1)",
        ],
        "largest_lr": [
            "lambda X, bias: largest_lr_solution(X, bias) / 2",
            "lambda X, bias: 2 * largest_lr_solution(X, bias)",
            "lambda X, bias: largest_lr_solution(X, False)",
            "lambda X, bias: largest_lr_solution(X, True)",
            "lambda X, bias: 1 / largest_lr_solution(X, bias)",
            "lambda X, bias: 0.03",
        ],
    },
    "03": {
        "output_shape": [
            # Rounded up; never rounded; no 1; padding counted once; swapped
            "lambda h, w, k, p, s: [-(-(n + 2 * b - a) // c) + 1"
            " for n, a, b, c in zip((h, w), k, p, s)]",
            "lambda h, w, k, p, s: [(n + 2 * b - a) / c + 1"
            " for n, a, b, c in zip((h, w), k, p, s)]",
            "lambda h, w, k, p, s: [(n + 2 * b - a) // c"
            " for n, a, b, c in zip((h, w), k, p, s)]",
            "lambda h, w, k, p, s: [(n + b - a) // c + 1"
            " for n, a, b, c in zip((h, w), k, p, s)]",
            "lambda h, w, k, p, s: output_shape_solution(w, h, k, p, s)",
            "lambda h, w, k, p, s: output_shape_solution(h, w, k, p, s)[::-1]",
            "lambda h, w, k, p, s: output_shape_solution(h, w, k[::-1], p, s)",
            "lambda h, w, k, p, s: [h // s[0], w // s[1]]",
        ],
        "padding_for": [
            # The one that keeps the size; rows in all; rounded down; below 0
            "lambda n, k, s, m: (k - 1) // 2",
            "lambda n, k, s, m: s * (m - 1) + k - n",
            "lambda n, k, s, m: (s * (m - 1) + k - n) // 2",
            "lambda n, k, s, m: (s * (m - 1) + k - n + 1) // 2",
            "lambda n, k, s, m: max(0, (s * (m - 1) + k - n + 1) // 2)",
            # The largest that does; never 0; without a stride
            "lambda n, k, s, m: max([p for p in range(99)"
            " if (n + 2 * p - k) // s + 1 == m], default=-1)",
            "lambda n, k, s, m: padding_for_solution(n, k, s, m) or -1",
            "lambda n, k, s, m: padding_for_solution(n, k, 1, m)",
        ],
        "half_rate": [
            # No stride; the other half; first every second sample; flipped
            "lambda x, k: d2l.corr2d(x[None], k[None])[0]",
            "lambda x, k: d2l.corr2d(x[None], k[None])[0, 1::2]",
            "lambda x, k: d2l.corr2d(x[None, ::2], k[None])[0]",
            "lambda x, k: half_rate_solution(x, k.flip(0))",
            "lambda x, k: half_rate_solution(x, k)[:-1]",
            "lambda x, k: half_rate_solution(F.pad(x, (1, 1)), k)",
            "lambda x, k: x[::2]",
        ],
        "products": [
            "lambda n, k, p, s: products_solution(n, k, p, 1)",
            "lambda n, k, p, s: products_solution(n, k, p, 1) // s",
            "lambda n, k, p, s: products_solution(n, k, p, 1) // s ** 2",
            "lambda n, k, p, s: products_solution(n, k, 0, s)",
            "lambda n, k, p, s: products_solution(n, k, p, s) // k",
            "lambda n, k, p, s: ((n + 2 * p - k) // s + 1) ** 2",
            "lambda n, k, p, s: (n // s) ** 2 * k ** 2",
        ],
        "mirror": [
            # Zeros; the outermost pixel twice; repeated; from the other side
            "lambda X, p: F.pad(X, (p, p, p, p))",
            "lambda X, p: torch.cat([torch.cat([Y[:, :p].flip(1), Y,"
            " Y[:, -p:].flip(1)], 1) for Y in [torch.cat([X[:p].flip(0), X,"
            " X[-p:].flip(0)])]])",
            "lambda X, p: F.pad(X[None].float(), (p,) * 4,"
            " mode='replicate')[0]",
            "lambda X, p: F.pad(X[None].float(), (p,) * 4,"
            " mode='circular')[0]",
            "lambda X, p: mirror_solution(X, 1)",
            "lambda X, p: mirror_solution(X, p)[p:-p]",
        ],
        "field": [
            # No strides; each layer's own; the last first; only the last
            # layer; the strides added; the windows multiplied
            "lambda layers: 1 + sum(k - 1 for k, _ in layers)",
            "lambda layers: 1 + sum((k - 1) * s for k, s in layers)",
            "lambda layers: field_solution(layers[::-1])",
            "lambda layers: layers[-1][0]",
            "lambda layers: 1 + sum((k - 1) * (1 + sum(s for _, s in "
            "layers[:n])) for n, (k, _) in enumerate(layers))",
            "lambda layers: torch.tensor([k for k, _ in layers]).prod()",
            "lambda layers: sum(k for k, _ in layers)",
        ],
    },
    "06": {
        "lenet_parameters": [
            # No biases; maps that stay 5x5; a kernel for all input channels
            "lambda a, b, k: lenet_parameters_solution(a, b, k) - a - b - 214",
            "lambda a, b, k: (k * k + 1) * a + (a * k * k + 1) * b"
            " + (25 * b + 1) * 120 + 11014",
            "lambda a, b, k: lenet_parameters_solution(a, b, k)"
            " - (a - 1) * k * k * b",
        ],
        "variant_scores": [
            "lambda net, activation, pooling, X: net(X)",
            "lambda net, activation, pooling, X:"
            " variant_scores_solution(net, nn.ReLU, nn.MaxPool2d, X)",
            "lambda net, activation, pooling, X:"
            " variant_scores_solution(net, activation, nn.AvgPool2d, X)",
            "lambda net, activation, pooling, X:"
            " variant_scores_solution(net, nn.ReLU, pooling, X)",
        ],
        "feature_maps": [
            "lambda net, X, n: net[:n](X)",
            "lambda net, X, n: net[:2](X)",
            "lambda net, X, n: net[:3 * n](X)",  # pooled
            "lambda net, X, n: net[:3 * n - 2](X)",  # not yet activated
        ],
        "costs": [
            # The dense layers or the window not read; the two numbers
            # swapped; no biases; the channels swapped
            "lambda a, b, k, d: costs_solution(a, b, k, [120, 84, 10])",
            "lambda a, b, k, d: costs_solution(a, b, 5, d)",
            "lambda a, b, k, d: costs_solution(a, b, k, d)[::-1]",
            "lambda a, b, k, d: [costs_solution(a, b, k, d)[0]"
            " - a - b - sum(d), costs_solution(a, b, k, d)[1]]",
            "lambda a, b, k, d: costs_solution(b, a, k, d)",
        ],
        "read_idx": [
            # No shape; lengths of one byte; always one axis; the header
            # still in front; rows and columns swapped
            "lambda raw: torch.as_tensor(raw)[4 + 4 * raw[3]:]",
            "lambda raw: torch.as_tensor(raw)[4 + 4 * raw[3]:][:raw[7]]",
            "lambda raw: torch.as_tensor(raw)[8:]",
            "lambda raw: torch.as_tensor(raw)",
            "lambda raw: read_idx_solution(raw).mT"
            " if raw[3] > 1 else read_idx_solution(raw)",
        ],
    },
    "04": {
        "learned": [
            "lambda c_i, c_o, h, w: [c_o * c_i * h * w, 1]",
            "lambda c_i, c_o, h, w: [c_o * h * w, c_o]",
            "lambda c_i, c_o, h, w: [c_o * c_i * h * w, c_i]",
            "lambda c_i, c_o, h, w: [c_o * c_i * h * h, c_o]",
            "lambda c_i, c_o, h, w: [c_o * c_i * h * w, c_o * c_i]",
            "lambda c_i, c_o, h, w: c_o * (c_i * h * w + 1)",
        ],
        "one_kernel": [
            # Cross-correlation of the kernels, as large as it can be; the
            # flipped kernel; K2 in full at every number of K1, and added up
            "lambda K1, K2: one_kernel_solution(K1, K2.flip(0, 1))",
            "lambda K1, K2: one_kernel_solution(K1, K2).flip(0, 1)",
            "lambda K1, K2: torch.kron(K1, K2)",
            "lambda K1, K2: K1 + K2",
            "lambda K1, K2: K1 * K2",
            "lambda K1, K2: one_kernel_solution(K1, K2).T",
        ],
        "costs": [
            "lambda *layer: costs_solution(*layer)[:2] * 2",
            # Padding on one side only; no padding; no stride; channels once;
            # the stride the wrong way round; three times for the way back
            "lambda i, o, k, n, p, s: costs_solution("
            "i, o, k, [a + b for a, b in zip(n, p)], (0, 0), s)",
            "lambda i, o, k, n, p, s: costs_solution(i, o, k, n, (0, 0), s)",
            "lambda i, o, k, n, p, s: costs_solution(i, o, k, n, p, (1, 1))",
            "lambda i, o, k, n, p, s: costs_solution(1, o, k, n, p, s)",
            "lambda i, o, k, n, p, s: costs_solution(o, i, k, n, p, s)",
            "lambda *layer: [c * m for c, m in zip("
            "costs_solution(*layer), (1, 1, 1.5, 1))]",
        ],
        "factors": [
            "lambda n, k, p: [2, *factors_solution(n, k, p)[1:]]",
            "lambda n, k, p: [4, 1, factors_solution(n, k, p)[2]]",
            "lambda n, k, p: [4, 4, factors_solution(n, k, p)[2]]",
            "lambda n, k, p: [*factors_solution(n, k, p)[:2], 1 / k ** 2]",
            "lambda n, k, p: [*factors_solution(n, k, p)[:2], 1 / k]",
            "lambda n, k, p: [f ** -1 for f in factors_solution(n, k, p)]",
            "lambda n, k, p: [f ** 0.5 for f in factors_solution(n, k, p)]",
        ],
        "different_sums": [
            "lambda numbers: 1",
            "lambda numbers: len(numbers)",
            # In double precision; forth and back only
            "lambda numbers: different_sums_solution(numbers.double())",
            "lambda numbers: len({sum(numbers.tolist()),"
            " sum(numbers.flip(0).tolist())})",
            "lambda numbers: different_sums_solution(numbers[:2])",
        ],
        "window_matrix": [
            # A row for each place; the places column by column; the channels
            # side by side; windows that don't overlap
            "lambda X, h, w: window_matrix_solution(X, h, w).T",
            "lambda X, h, w: window_matrix_solution(X.mT, w, h)",
            "lambda X, h, w: torch.cat([window_matrix_solution("
            "x[None], h, w) for x in X], 1)",
            "lambda X, h, w: F.unfold(X[None], (h, w), stride=(h, w))[0]",
            "lambda X, h, w: window_matrix_solution(X, w, h)",
            "lambda X, h, w: X.reshape(h * w * len(X), -1)",
        ],
    },
    "05": {
        "min_pool": [
            "lambda X, p, q: d2l.pool2d(X, (p, q))",
            "lambda X, p, q: d2l.pool2d(-X, (p, q))",
            "lambda X, p, q: -d2l.pool2d(X, (p, q))",
            "lambda X, p, q: min_pool_solution(X, q, p)",
            "lambda X, p, q: d2l.pool2d(X, (p, q), 'avg')",
            "lambda X, p, q: X.min()",
        ],
        "avg_by_conv": [
            # Adds the channels up; no division; divided by the channels,
            # too; the stride of the window
            "lambda X, p, q: F.conv2d(X, torch.ones(2, 2, p, q) / (p * q))",
            "lambda X, p, q: avg_by_conv_solution(X, p, q) * p * q",
            "lambda X, p, q: avg_by_conv_solution(X, p, q) / X.shape[1]",
            "lambda X, p, q: F.avg_pool2d(X, (p, q))",
            "lambda X, p, q: avg_by_conv_solution(X, q, p)",
            "lambda X, p, q: avg_by_conv_solution(X, p, q).mean(1)",
        ],
        "max_by_relu": [
            # Starts with 0; compares with the first number only
            "lambda X, p, q: F.relu(d2l.pool2d(X, (p, q)))",
            "lambda X, p, q: d2l.pool2d(X, (1, q))[:len(X) - p + 1]",
            "lambda X, p, q: d2l.pool2d(X, (p, q), 'avg')",
            "lambda X, p, q: -max_by_relu_solution(-X, p, q)",
            "lambda X, p, q: max_by_relu_solution(X, q, p)",
            "lambda X, p, q: X[p - 1:, q - 1:]",  # the last, not the largest
        ],
        "comparisons": [
            "lambda c, h, w, k, p, s: c * h * w * (k[0] * k[1] - 1)",
            "lambda c, h, w, k, p, s: comparisons_solution("
            "c, h, w, k, (0, 0), s)",
            "lambda c, h, w, k, p, s: comparisons_solution("
            "c, h, w, k, p, k)",
            "lambda c, h, w, k, p, s: comparisons_solution("
            "1, h, w, k, p, s)",
            # n comparisons for n numbers; padding once; h and w swapped
            "lambda c, h, w, k, p, s: comparisons_solution(c, h, w, k, p, s)"
            " // (k[0] * k[1] - 1) * k[0] * k[1]",
            "lambda c, h, w, k, p, s: comparisons_solution("
            "c, h + p[0], w + p[1], k, (0, 0), s)",
            "lambda c, h, w, k, p, s: comparisons_solution("
            "c, w, h, k, p, s)",
        ],
        "expected": [
            "lambda q, n: [q, q]",
            "lambda q, n: [q / n, 1 - (1 - q) ** n]",
            "lambda q, n: [q, q ** n]",  # all of them are 1
            "lambda q, n: [q, n * q]",
            "lambda q, n: [q, (1 - q) ** n]",  # none of them is 1
            "lambda q, n: [1 - (1 - q) ** n, q]",
            "lambda q, n: [q, 1]",
        ],
        "softmax_pool": [
            # Only the sign of beta; only its size; no beta; the sign
            # turned round; the weights only; a mean of the weighted
            "lambda X, p, q, beta: softmax_pool_solution("
            "X, p, q, (beta > 0) - (beta < 0))",
            "lambda X, p, q, beta: softmax_pool_solution("
            "X, p, q, 99 * ((beta > 0) - (beta < 0)))",
            "lambda X, p, q, beta: softmax_pool_solution("
            "X, p, q, abs(beta))",
            "lambda X, p, q, beta: softmax_pool_solution(X, p, q, 1)",
            "lambda X, p, q, beta: softmax_pool_solution(X, p, q, -beta)",
            "lambda X, p, q, beta: softmax_pool_solution("
            "X, p, q, min(max(beta, -3), 5))",
            "lambda X, p, q, beta: softmax_pool_solution(X, p, q, beta)"
            " / (p * q)",
            "lambda X, p, q, beta: d2l.pool2d(X, (p, q), 'avg')",
            "lambda X, p, q, beta: d2l.pool2d(X, (p, q))",
            # Softmax over the whole image
            "lambda X, p, q, beta: d2l.pool2d(X * (beta * X).flatten()"
            ".softmax(0).reshape(X.shape), (p, q), 'avg') * p * q",
        ],
    },
    "07": {
        "drop": [
            "lambda X, keep, p: X * keep",  # not divided
            "lambda X, keep, p: X * keep / p",
            "lambda X, keep, p: X * ~keep / (1 - p)",
            "lambda X, keep, p: X / (1 - p)",
            "lambda X, keep, p: (X / (1 - p))[keep]",
        ],
        "dropout_places": [
            "lambda net: [n for n in range(len(net))"
            " if isinstance(net[n], nn.ReLU)]",
            "lambda net: [n for n in range(len(net))"
            " if isinstance(net[n], nn.Linear)]",
            "lambda net: [n + 1 for n in dropout_places_solution(net)]",
            "lambda net: dropout_places_solution(net)[:1]",
        ],
        "edition_parameters": [
            "lambda c, d: edition_parameters_solution(c, d)"
            " - 5 * c - 2 * d - 10",  # no biases
            "lambda c, d: edition_parameters_solution(c, d) - 16 * c * c",
            "lambda c, d: edition_parameters_solution(c, d) - 8 * c * d",
            "lambda c, d: edition_parameters_solution(d, c)",
            "lambda c, d: edition_parameters_solution(c, d) + (d + 1) * d",
        ],
        "training_megabytes": [
            "lambda net, X: training_megabytes_solution(net, X[:1])",
            "lambda net, X: training_megabytes_solution(net, X[:0])",
            "lambda net, X: 1e6 * training_megabytes_solution(net, X) / 2**20",
            "lambda net, X: training_megabytes_solution(net, X)"
            " - 12e-6 * sum(p.numel() for p in net.parameters())",
        ],
        "flip_some": [
            "lambda X, chosen: X.flip(-1)",
            "lambda X, chosen: X",
            "lambda X, chosen: flip_some_solution(X, ~chosen)",
            "lambda X, chosen: torch.where("
            "chosen[:, None, None, None], X.flip(-2), X)",
            "lambda X, chosen: flip_some_solution(X, chosen)[chosen]",
        ],
        "rate": [
            # A straight climb, a straight fall, the rest right; no schedule
            "lambda k, steps, peak: peak / 25 + (peak - peak / 25) * k"
            " / (0.3 * steps - 1) if k < 0.3 * steps"
            " else rate_solution(k, steps, peak)",
            "lambda k, steps, peak: peak * (steps - 1 - k) / (0.7 * steps)"
            " + peak / 250_000 if k >= 0.3 * steps"
            " else rate_solution(k, steps, peak)",
            "lambda k, steps, peak: rate_solution(k + 1, steps, peak)",
            "lambda k, steps, peak: peak",
        ],
    },
    "08": {
        "weights": [
            # Biases counted; one layer; a side of 3n; channels once
            "lambda n, c: [n * (9 * c + 1) * c,"
            " ((2 * n + 1) ** 2 * c + 1) * c]",
            "lambda n, c: [9 * c ** 2, (2 * n + 1) ** 2 * c ** 2]",
            "lambda n, c: [n * 9 * c ** 2, (3 * n) ** 2 * c ** 2]",
            "lambda n, c: [n * 9 * c, (2 * n + 1) ** 2 * c]",
        ],
        "kept": [
            # One image; the input, too; the last output; parameters; only
            # the network's own parts; ReLU and the others, too
            "lambda net, X: kept_solution(net, X[:1])",
            "lambda net, X: kept_solution(net, X) + X.numel()",
            "lambda net, X: net(X).numel()",
            "lambda net, X: sum(p.numel() for p in net.parameters())",
            "lambda net, X: sum(net[:n + 1](X).numel()"
            " for n in range(len(net))"
            " if isinstance(net[n], (nn.Conv2d, nn.Linear)))",
            "lambda net, X: sum(net[:n + 1](X).numel()"
            " for n in range(len(net)))",
        ],
        "vgg_11_parameters": [
            "lambda side: 128_806_154",
            "lambda side: 128_806_154 * side ** 2 // 224 ** 2",
            "lambda side: 26_045_706 + 512 * side // 32 * 4096",
        ],
        "deeper": [
            "lambda depth: deeper_solution(16)",
            "lambda depth: deeper_solution(35 - depth)",
            "lambda depth: [pair[::-1] for pair in deeper_solution(depth)]",
            "lambda depth: [(2, c) for n, c in deeper_solution(depth)]",
        ],
        "merged": [
            # Not flipped; no padding; order turned round; one channel only;
            # the channels' axes swapped
            "lambda K1, K2: merged_solution(K1, K2.flip(2, 3))",
            "lambda K1, K2: F.conv2d(K1.transpose(0, 1),"
            " K2.flip(2, 3)).transpose(0, 1)",
            "lambda K1, K2: merged_solution(K2, K1)",
            "lambda K1, K2: merged_solution(K1[:1], K2[:, :1])",
            "lambda K1, K2: merged_solution(K1, K2).transpose(0, 1)",
        ],
    },
    "09": {
        "head_sizes": [
            # No biases; a bias at each place; weights at each place for both
            "lambda c, h, w, classes: [c * h * w * classes, c * classes]",
            "lambda c, h, w, classes: [(c + 1) * h * w * classes,"
            " (c + 1) * classes]",
            "lambda c, h, w, classes: [(c * h * w + 1) * classes] * 2",
            "lambda c, h, w, classes: [(c * h * w + 1) * classes, 0]",
        ],
        "class_maps": [
            # No bias; the bias added once, not at each place; no class
            # weights; the scores instead of the maps
            "lambda maps, weight, bias: class_maps_solution(maps, weight,"
            " None)",
            "lambda maps, weight, bias: class_maps_solution(maps, weight,"
            " bias / maps.shape[2] / maps.shape[3])",
            "lambda maps, weight, bias: maps",
            "lambda maps, weight, bias:"
            " maps.mean((2, 3)) @ weight.T + bias",
            "lambda maps, weight, bias: class_maps_solution(maps, weight,"
            " bias).relu()",
        ],
        "memory": [
            # Layers inside blocks forgotten; the input forgotten; one output
            # at a time; the other way round
            "lambda net, X: [sum(a := [X.numel()] + [net[:n + 1](X).numel()"
            " for n in range(len(net))]), max(map(sum, zip(a, a[1:])))]",
            "lambda net, X: [memory_solution(net, X)[0] - X.numel(),"
            " memory_solution(net, X)[1]]",
            "lambda net, X: [memory_solution(net, X)[0],"
            " memory_solution(net, X)[1] // 2]",
            "lambda net, X: memory_solution(net, X)[::-1]",
        ],
        "block": [
            # Stride forgotten; 1x1 layers forgotten; no ReLU before them,
            # between them, at all, at the end
            "lambda X, K, stride, ones: block_solution(X, K, 1, ones)",
            "lambda X, K, stride, ones: block_solution(X, K, stride, [])",
            "lambda X, K, stride, ones: F.conv2d(X, K, stride=stride)"
            " if not ones else block_solution(X, K, stride, ones)",
            "lambda X, K, stride, ones: block_solution(X, K, stride, ones)"
            " if len(ones) < 2 else block_solution(X, K, stride,"
            " [ones[1] @ ones[0]])",
            "lambda X, K, stride, ones: block_solution(X, K, stride, ones)"
            " if len(ones) != 1 else F.conv2d(F.conv2d(X, K, stride=stride)"
            ".relu(), ones[0][:, :, None, None])",
            "lambda X, K, stride, ones: block_solution(X, K, stride, ones)"
            " if len(ones) != 1 else F.conv2d(F.conv2d(X, K, stride=stride),"
            " ones[0][:, :, None, None]).relu()",
        ],
        "silent": [
            # For some image; of all images together; places, not scores
            "lambda net, maps: (net(maps).mean((2, 3)) == 0).any(0).sum()",
            "lambda net, maps: (net(maps).mean((2, 3)) == 0).sum()",
            "lambda net, maps: (net(maps) == 0).sum()",
            "lambda net, maps: (net(maps).mean((2, 3)) <= 0).all(0).sum()",
        ],
    },
    "10": {
        "last_side": [
            "lambda n: n // 32",
            "lambda n: max(1, n // 32)",
            "lambda n: n / 32",
            "lambda n: (n + 1) // 2",  # one halving
        ],
        "parameters": [
            "lambda convs, dense: sum(i * k * k * o for i, o, k in convs)"
            " + sum(i * o for i, o in dense)",
            "lambda convs, dense: sum((i * k + 1) * o for i, o, k in convs)"
            " + sum((i + 1) * o for i, o in dense)",
            "lambda convs, dense: sum(i * k * k * o + 1 for i, o, k in convs)"
            " + sum(i * o + 1 for i, o in dense)",
            "lambda convs, dense: parameters_solution(convs, [])",
        ],
        "two_threes": [
            # No ReLU; no padding; all padding first; a ReLU at the end only,
            # and there too; one convolution only
            "lambda X, a, b: F.conv2d(F.conv2d(X, a, padding=1), b,"
            " padding=1)",
            "lambda X, a, b: F.conv2d(F.relu(F.conv2d(F.pad(X, 4 * (1,)),"
            " a)), b)",
            "lambda X, a, b: F.conv2d(F.relu(F.conv2d(X, a, padding=2)), b)",
            "lambda X, a, b: F.relu(F.conv2d(F.conv2d(X, a, padding=1), b,"
            " padding=1))",
            "lambda X, a, b: F.relu(two_threes_solution(X, a, b))",
            "lambda X, a, b: F.conv2d(X, a, padding=1)",
        ],
        "smoothed_loss": [
            "lambda scores, y, eps: F.cross_entropy(scores, y)",
            # softmax over the batch; the sum; eps of the others only, among
            # n - 1 classes; eps for each class
            "lambda scores, y, eps: (1 - eps) * F.nll_loss("
            "scores.log_softmax(0), y) - eps * scores.log_softmax(0).mean()",
            "lambda scores, y, eps: len(y) * smoothed_loss_solution("
            "scores, y, eps)",
            "lambda scores, y, eps: (1 - eps) * F.cross_entropy(scores, y)",
            "lambda scores, y, eps: smoothed_loss_solution(scores, y,"
            " eps * scores.shape[1] / (scores.shape[1] - 1))",
            "lambda scores, y, eps: F.cross_entropy(scores, y)"
            " - eps * scores.log_softmax(1).sum(1).mean()",
        ],
        "as_fives": [
            # Zeros on one side only; another order; added, not concatenated;
            # along the input channels; spread out instead of framed
            "lambda a, b, c: torch.cat([F.pad(a, (0, 4, 0, 4)),"
            " F.pad(b, (0, 2, 0, 2)), c])",
            "lambda a, b, c: as_fives_solution(a, b, c).flip(0)",
            "lambda a, b, c: F.pad(a, 4 * (2,)) + F.pad(b, 4 * (1,)) + c",
            "lambda a, b, c: as_fives_solution(a, b, c).transpose(0, 1)",
            "lambda a, b, c: torch.cat([a.expand(-1, -1, 5, 5),"
            " F.pad(b, 4 * (1,)), c])",
        ],
    },
    "11": {
        "moving_average": [
            "lambda m, k, batches: m * (1 - k) ** batches",  # shares swapped
            "lambda m, k, batches: m * (1 - (1 - k) ** batches)",
            "lambda m, k, batches: m * k ** batches",  # what is still missing
            "lambda m, k, batches: m * (1 - k) * batches",  # no decay
            "lambda m, k, batches: m * (1 - k ** (batches - 1))",
        ],
        "idle": [
            "lambda net: sum(layer.bias.numel() for layer in net"
            " if isinstance(layer, (nn.Conv2d, nn.Linear))"
            " and layer.bias is not None)",
            "lambda net: 4",
            "lambda net: 2 * idle_solution(net)",
            "lambda net: 226",
            "lambda net: sum(layer.bias.numel() for layer in net[:-1]"
            " if isinstance(layer, (nn.Conv2d, nn.Linear))"
            " and layer.bias is not None)",
        ],
        "sizes": [
            "lambda name: [11178, 0]",  # no normalisation at all
            "lambda name: [11354, 176]",  # always all three
            # num_batches_tracked counted too; scale and shift in one; the
            # other places
            "lambda name: [sizes_solution(name)[0], sum(b.numel() for b in"
            " variant(name).buffers())]",
            "lambda name: [11178 + sizes_solution(name)[1] // 2,"
            " sizes_solution(name)[1]]",
            "lambda name: sizes_solution({'conv': 'dense', 'dense': 'conv'}"
            ".get(name, name))",
            "lambda name: sizes_solution(name)[::-1]",
        ],
        "group_normalise": [
            "lambda X, groups: normalise(X, axes=(0, 2, 3))",
            "lambda X, groups: F.layer_norm(X, X.shape[1:])",
            "lambda X, groups: F.instance_norm(X)",
            # groups of every second channel; of examples too
            "lambda X, groups: normalise(X.reshape(len(X), -1, groups,"
            " *X.shape[2:]), axes=(1, 3, 4)).reshape(X.shape)",
            "lambda X, groups: normalise(X.reshape(len(X), groups, -1),"
            " axes=(0, 2)).reshape(X.shape)",
            "lambda X, groups: normalise(X.reshape(len(X), groups, -1),"
            " axes=2)",
        ],
        "merge": [
            # The bias not scaled; the mean forgotten; the variance for the
            # deviation; the columns scaled in place of the rows; no bias
            "lambda W, b, gamma, beta, mean, var: torch.cat(("
            "(gamma / var.sqrt())[:, None] * W, (b - mean * gamma"
            " / var.sqrt() + beta)[:, None]), 1)",
            "lambda W, b, gamma, beta, mean, var: merge_solution("
            "W, b, gamma, beta, 0 * mean, var)",
            "lambda W, b, gamma, beta, mean, var: merge_solution("
            "W, b, gamma, beta, mean, var ** 2)",
            "lambda W, b, gamma, beta, mean, var: torch.cat(("
            "W * (gamma / var.sqrt()), merge_solution("
            "W, b, gamma, beta, mean, var)[:, -1:]), 1)",
            "lambda W, b, gamma, beta, mean, var: merge_solution("
            "W, b, gamma, beta, mean, var)[:, :-1]",
        ],
    },
    "12": {
        "depth": [
            "lambda blocks, n: sum(blocks) * n",
            "lambda blocks, n: sum(blocks) * n + 1",
            "lambda blocks, n: sum(blocks) * 2 + 2",
            "lambda blocks, n: len(blocks) * n + 2",
        ],
        "adding": [
            "lambda c: torch.ones(c, 2 * c, 1, 1)",
            "lambda c: adding_solution(c).flatten(1)",  # two axes
            "lambda c: adding_solution(c) / 2",  # the mean
            # Pairs of neighbours are added, not the two paths
            "lambda c: torch.eye(c).repeat_interleave(2, 1)[..., None, None]",
        ],
        "as_full": [
            "lambda w, groups: w.repeat(1, groups, 1, 1)",  # no zeros
            "lambda w, groups: w",
            # Every other output in a group, not one group after the other
            "lambda w, groups: torch.stack([F.pad(w[i], (0, 0, 0, 0,"
            " i % groups * w.shape[1],"
            " (groups - 1 - i % groups) * w.shape[1]))"
            " for i in range(len(w))])",
        ],
        "bottleneck": [
            # Without the shortcut; with the last ReLU before the addition,
            # and without it; no ReLU inside; no normalisation at all
            "lambda X, a, b, c: F.relu(bottleneck_solution(X, a, b, c) - X)",
            "lambda X, a, b, c: X + F.relu(bottleneck_solution("
            "0 * X, a, b, c))",
            "lambda X, a, b, c: X + F.batch_norm(F.conv2d(F.relu("
            "F.batch_norm(F.conv2d(F.relu(F.batch_norm(F.conv2d(X, a), None,"
            " None, training=True)), b, padding=1), None, None,"
            " training=True)), c), None, None, training=True)",
            "lambda X, a, b, c: F.relu(X + F.batch_norm(F.conv2d(F.conv2d("
            "F.conv2d(X, a), b, padding=1), c), None, None, training=True))",
            "lambda X, a, b, c: F.relu(X + F.conv2d(F.relu(F.conv2d(F.relu("
            "F.conv2d(X, a)), b, padding=1)), c))",
            # No ReLU behind the first
            "lambda X, a, b, c: F.relu(X + F.batch_norm(F.conv2d(F.relu("
            "F.batch_norm(F.conv2d(F.batch_norm(F.conv2d(X, a), None, None,"
            " training=True), b, padding=1), None, None, training=True)), c),"
            " None, None, training=True))",
        ],
        "pre_activation": [
            "lambda blk, X: blk(X)",
            "lambda blk, X: F.relu(pre_activation_solution(blk, X))",
            "lambda blk, X: X + blk.conv2(blk.bn2(blk.conv1(blk.bn1(X))))",
            "lambda blk, X: X + blk.conv2(F.relu(blk.bn2(blk.conv1(X))))",
            "lambda blk, X: pre_activation_solution(blk, X) - X",
            "lambda blk, X: F.relu(blk.bn1(X)) - X"
            " + pre_activation_solution(blk, X)",
        ],
        "errors": [
            "lambda degree: [e ** 2 for e in errors_solution(degree)]",
            "lambda degree: errors_solution(degree)[::-1]",
            "lambda degree: errors_solution(degree - 1)",  # too few powers
            "lambda degree: errors_solution(degree)[0]",
            "lambda degree: 2 * errors_solution(degree)[:1]",
        ],
    },
    "13": {
        "pooled_first": [
            "lambda blk, X: blk(X)",
            "lambda blk, X: blk[2](blk[1](blk[0](blk[3](X))))",
            "lambda blk, X: blk[2](blk[1](blk[3](blk[0](X))))",
            "lambda blk, X: blk[2](blk[3](X))",
        ],
        "densenet_parameters": [
            # No halving; a transition behind the last block; no bottleneck;
            # biases; grey images
            "lambda blocks, n: densenet_parameters_solution((sum(blocks),),"
            " n)",
            "lambda blocks, n: densenet_parameters_solution((*blocks, 0), n)",
            "lambda blocks, n: densenet_parameters_solution(blocks, n)"
            " - sum(blocks) * 256",
            "lambda blocks, n: densenet_parameters_solution(blocks, n)"
            " + 64 + 160 * sum(blocks)",
            "lambda blocks, n: densenet_parameters_solution(blocks, n)"
            " - 2 * 49 * 64",
            "lambda blocks, n: densenet_parameters_solution(blocks, n) - n",
        ],
        "kept_bytes": [
            # Numbers, not bytes; with the weights; the input forgotten; all
            # outputs
            "lambda net, X: kept_bytes_solution(net, X) // 4",
            "lambda net, X: kept_bytes_solution(net, X)"
            " + sum(p.nbytes for p in net.parameters())",
            "lambda net, X: kept_bytes_solution(net, X) - X.nbytes",
            "lambda net, X: sum(net[:k](X).nbytes"
            " for k in range(1, len(net) + 1))",
            "lambda net, X: sum(net[:k](X).nbytes for k in range(len(net)))",
        ],
        "lean_bytes": [
            "lambda net, X: lean_bytes_solution(net, X) + net(X).nbytes",
            "lambda net, X: lean_bytes_solution(net, X) - X.nbytes",
            "lambda net, X: lean_bytes_solution(net, X) // 4",
            "lambda net, X: X.nbytes",
        ],
        "dense_forward": [
            # No ReLU; one behind the last layer; what is new on the left; one
            # over the features too, at each layer or at the start
            "lambda layers, X: [X := torch.cat((X, layer(X)), 1)"
            " for layer in layers[:-1]] and layers[-1](X)",
            "lambda layers, X: F.relu(dense_forward_solution(layers, X))",
            "lambda layers, X: [X := torch.cat((F.relu(layer(X)), X), 1)"
            " for layer in layers[:-1]] and layers[-1](X)",
            "lambda layers, X: [X := F.relu(torch.cat((X, layer(X)), 1))"
            " for layer in layers[:-1]] and layers[-1](X)",
            "lambda layers, X: dense_forward_solution(layers, F.relu(X))",
        ],
    },
    "14": {
        "margin": [
            # No 1.96; the variance; the whole interval; of n, not of 1
            "lambda acc, n: (acc * (1 - acc) / n) ** 0.5",
            "lambda acc, n: 1.96 * acc * (1 - acc) / n",
            "lambda acc, n: 2 * margin_solution(acc, n)",
            "lambda acc, n: n * margin_solution(acc, n)",
        ],
        "precision": [
            # Recall; of all images; nan; the table of the other kind
            "lambda table: table.diagonal() / table.sum(1).clamp(min=1)",
            "lambda table: table.diagonal() / table.sum()",
            "lambda table: table.diagonal() / table.sum(0)",
            "lambda table: table / table.sum(0).clamp(min=1)",
        ],
        "only_one_right": [
            # Turned round; all that each gets right; all where they differ
            "lambda a, b, labels: only_one_right_solution(b, a, labels)",
            "lambda a, b, labels: [(a == labels).sum(), (b == labels).sum()]",
            "lambda a, b, labels: [(a != b).sum(), (a != b).sum()]",
            "lambda a, b, labels: [((a == labels) & (a == b)).sum(), 0]",
        ],
        "majority": [
            # The first network's; the mean class; the fewest votes; the
            # largest of equals; along the other axis
            "lambda said, classes: said[0]",
            "lambda said, classes: said.float().mean(0).round().long()",
            "lambda said, classes: F.one_hot(said, classes).sum(0).argmin(1)",
            "lambda said, classes: classes - 1 - F.one_hot("
            "said, classes).sum(0).flip(1).argmax(1)",
            "lambda said, classes: F.one_hot(said, classes).sum(1).argmax(1)",
        ],
        "best_pair": [
            # The two best alone; the worst; the larger first; always the same
            "lambda probs, labels: sorted((probs.argmax(2) == labels).sum(1)"
            ".argsort(descending=True, stable=True)[:2].tolist())",
            "lambda probs, labels: list(min(combinations(range(len(probs)), 2)"
            ", key=lambda pair: (probs[list(pair)].sum(0).argmax(1) == labels)"
            ".sum()))",
            "lambda probs, labels: best_pair_solution(probs, labels)[::-1]",
            "lambda probs, labels: [0, 1]",
            "lambda probs, labels: best_pair_solution(probs, 1 - labels)",
        ],
    },
    "15": {
        "gain": [
            # The part alone; the factor spread; nothing but the part left
            "lambda p, k: k",
            "lambda p, k: 1 + p * (k - 1)",
            "lambda p, k: 1 / (p + (1 - p) / k)",
            "lambda p, k: 1 / (p / k) if p else 1.0",
            "lambda p, k: (1 - p) + p / k",  # the time that is left
        ],
        "lost": [
            # 32 bits; the sum alone rounded; half precision; by the size
            "lambda weight, step: bool(torch.tensor(weight)"
            " + torch.tensor(step) == torch.tensor(weight))",
            "lambda weight, step: bool((torch.tensor(weight)"
            " + torch.tensor(step)).half() == torch.tensor(weight).half())",
            "lambda weight, step: step < 0.005",
            "lambda weight, step: not lost_solution(weight, step)",
            "lambda weight, step: weight + step == weight",
        ],
        "turn": [
            "lambda start, epoch: start",
            "lambda start, epoch: ~start",
            "lambda start, epoch: start ^ (epoch % 2 == 0)",
            "lambda start, epoch: start | (epoch % 2 == 1)",
            "lambda start, epoch: start & (epoch % 2 == 1)",
            "lambda start, epoch: start ^ (epoch > 0)",
        ],
        "cut_out": [
            # Rows and columns swapped; a cross; one pixel more; what is left
            "lambda images, top, left, side: cut_out_solution("
            "images, left, top, side)",
            "lambda images, top, left, side: cut_out_solution("
            "images, top, left, side + 1)",
            "lambda images, top, left, side: images - cut_out_solution("
            "images, top, left, side)",
            "lambda images, top, left, side: cut_out_solution("
            "images, top - side // 2, left - side // 2, side)",
            "lambda images, top, left, side: cut_out_solution(images,"
            " top[:1].expand(len(top)), left[:1].expand(len(left)), side)",
            "lambda images, top, left, side: cut_out_solution("
            "cut_out_solution(images, top, left * 0, 3), top * 0, left, 3)",
        ],
    },
    "16": {
        "piece": [
            # The rest lost; the rest to the last; padded; the last number
            # itself; the larger pieces last; every N-th number
            "lambda n, world, rank: [rank * (n // world),"
            " (rank + 1) * (n // world)]",
            "lambda n, world, rank: [rank * (n // world),"
            " n if rank == world - 1 else (rank + 1) * (n // world)]",
            "lambda n, world, rank: [rank * -(-n // world),"
            " (rank + 1) * -(-n // world)]",
            "lambda n, world, rank: [piece_solution(n, world, rank)[0],"
            " piece_solution(n, world, rank)[1] - 1]",
            "lambda n, world, rank: [n - end for end in"
            " piece_solution(n, world, world - 1 - rank)[::-1]]",
            "lambda n, world, rank: [rank, n]",
        ],
        "ring_bytes": [
            # One way only; numbers, not bytes; all processes together; sent
            # whole in each round; to one and back
            "lambda p, world, b: (world - 1) * p * b // world",
            "lambda p, world, b: ring_bytes_solution(p, world, 1)",
            "lambda p, world, b: 2 * (world - 1) * p * b",
            "lambda p, world, b: 2 * p * b",
            "lambda p, world, b: ring_bytes_solution(p, world, 4)",
        ],
        "bound": [
            "lambda compute, size, bandwidth: compute / (size / bandwidth)",
            "lambda compute, size, bandwidth: 2 * size / bandwidth / compute",
            "lambda compute, size, bandwidth: compute + 2 * size / bandwidth",
            "lambda compute, size, bandwidth: 8 * bound_solution("
            "compute, size, bandwidth)",  # bits for bytes
            "lambda compute, size, bandwidth: compute / ("
            "compute + 2 * size / bandwidth)",
        ],
        "accumulated": [
            # Mean of means; sum of means; sums; only the last piece; the
            # step, not the gradient; the last piece dropped
            "lambda w, X, y, size: torch.stack(["
            "accumulated_solution(w, a, b, size) for a, b in"
            " zip(X.split(size), y.split(size))]).mean(0)",
            "lambda w, X, y, size: torch.stack(["
            "accumulated_solution(w, a, b, size) for a, b in"
            " zip(X.split(size), y.split(size))]).sum(0)",
            "lambda w, X, y, size: len(y) * accumulated_solution("
            "w, X, y, size)",
            "lambda w, X, y, size: accumulated_solution("
            "w, X.split(size)[-1], y.split(size)[-1], size)",
            "lambda w, X, y, size: -accumulated_solution(w, X, y, size)",
            "lambda w, X, y, size: accumulated_solution("
            "w, X[:len(y) // size * size], y[:len(y) // size * size], size)",
        ],
        "rate": [
            # From zero; no end; no warm-up; k times too late; one step off
            "lambda step, base, k, warm_up: base * k * min("
            "1, step / warm_up)",
            "lambda step, base, k, warm_up: base * ("
            "1 + (k - 1) * step / warm_up)",
            "lambda step, base, k, warm_up: base * k",
            "lambda step, base, k, warm_up: base if step < warm_up"
            " else base * k",
            "lambda step, base, k, warm_up: rate_solution("
            "step + 1, base, k, warm_up)",
        ],
    },
}
