"""Typical wrong answers to the exercises; each check must reject its own.

{notebook: {exercise: [function as text, …]}}, two or more for each exercise.
A text may use the exercise's solution, such as diagonal_solution, what the
notebook defines, torch, nn, F and d2l. It must give an answer, not stop.
"""
WRONG_ANSWERS = {
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
    },
}
