"""Typical wrong answers to the exercises; each check must reject its own.

{notebook: {exercise: [function as text, …]}}, two or more for each exercise.
A text may use the exercise's solution, such as diagonal_solution, what the
notebook defines, torch, nn, F and d2l. It must give an answer, not stop.
"""
WRONG_ANSWERS = {
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
}
