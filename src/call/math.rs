//! The few functions of statistics that calling needs, in `f64` on the host.

/// ln Γ(x) for x > 0: Stirling's series (Abramowitz & Stegun 6.1.41) after raising x above 8.
pub fn ln_gamma(mut x: f64) -> f64 {
    let mut product = 1.0;
    while x < 8.0 {
        product *= x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    (x - 0.5) * x.ln() - x
        + 0.918_938_533_204_672_8
        + (1.0 / 12.0 - y * (1.0 / 360.0 - y * (1.0 / 1260.0 - y / 1680.0))) / x
        - product.ln()
}

/// ψ(x), the derivative of ln Γ, for x > 0 (Abramowitz & Stegun 6.3.18 after raising x above 8).
pub fn digamma(mut x: f64) -> f64 {
    let mut sum = 0.0;
    while x < 8.0 {
        sum -= 1.0 / x;
        x += 1.0;
    }
    let y = 1.0 / (x * x);
    sum + x.ln() - 0.5 / x - y * (1.0 / 12.0 - y * (1.0 / 120.0 - y * (1.0 / 252.0 - y / 240.0)))
}

/// ln of the number of ways to choose `k` of `n`.
pub fn ln_choose(n: u32, k: u32) -> f64 {
    let f = |x: u32| ln_gamma(f64::from(x) + 1.0);
    f(n) - f(k) - f(n - k)
}

/// Chance of `k` of `n` at `rate` each.
pub fn binomial(n: u32, k: u32, rate: f64) -> f64 {
    if rate <= 0.0 {
        return f64::from(u8::from(k == 0));
    }
    let (with, without) = (f64::from(k), f64::from(n - k));
    (ln_choose(n, k) + with * rate.ln() + without * (-rate).ln_1p()).exp()
}

/// Chance of `k` or more of `n` at `rate` each.
pub fn binomial_tail(n: u32, k: u32, rate: f64) -> f64 {
    if k == 0 {
        return 1.0;
    }
    let (p, q) = (rate.ln(), (1.0 - rate).ln());
    let mut total = 0.0;
    for i in k..=n {
        let term = (ln_choose(n, i) + f64::from(i) * p + f64::from(n - i) * q).exp();
        total += term;
        if term < total * 1e-12 && f64::from(i) > f64::from(n) * rate {
            break;
        }
    }
    total.min(1.0)
}

/// Chance of `k` of `n` where the rate is itself drawn from a Beta distribution.
pub fn beta_binomial(n: u32, k: u32, (a, b): (f64, f64)) -> f64 {
    let ln_beta = |a: f64, b: f64| ln_gamma(a) + ln_gamma(b) - ln_gamma(a + b);
    let (with, without) = (f64::from(k), f64::from(n - k));
    (ln_choose(n, k) + ln_beta(a + with, b + without) - ln_beta(a, b)).exp()
}

/// Chance of `k` or more of `n` then.
pub fn beta_binomial_tail(n: u32, k: u32, beta: (f64, f64)) -> f64 {
    let terms = (k..=n).map(|i| beta_binomial(n, i, beta));
    terms.sum::<f64>().min(1.0)
}

/// Two-sided Fisher's exact test of a 2x2 table: the summed chance of all tables with the same
/// margins that are no more likely than this one.
pub fn fisher([a, b, c, d]: [u32; 4]) -> f64 {
    let (row, column, all) = (a + b, a + c, a + b + c + d);
    let ln_table =
        |x: u32| ln_choose(row, x) + ln_choose(all - row, column - x) - ln_choose(all, column);
    let this = ln_table(a);
    let lowest = column.saturating_sub(all - row);
    (lowest..=row.min(column))
        .map(ln_table)
        .filter(|&l| l <= this + 1e-7)
        .map(f64::exp)
        .sum::<f64>()
        .min(1.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn functions_agree_with_known_values() {
        let near = |a: f64, b: f64| assert!((a - b).abs() < 1e-9 * b.abs().max(1.0), "{a} {b}");
        near(ln_gamma(0.5), std::f64::consts::PI.sqrt().ln());
        near(ln_gamma(11.0), 3_628_800f64.ln());
        near(digamma(1.0), -0.577_215_664_901_532_9);
        near(digamma(10.0), 2.251_752_589_066_721);
        near(ln_choose(52, 5), 2_598_960f64.ln());
        near(binomial(4, 1, 0.25), 27.0 / 64.0);
        near(binomial(4, 0, 0.0), 1.0);
        near(binomial_tail(10, 10, 0.5), 1.0 / 1024.0);
        near(binomial_tail(3, 1, 0.5), 0.875);
        near(beta_binomial(10, 3, (1.0, 1.0)), 1.0 / 11.0);
        near(beta_binomial(2, 1, (2.0, 1.0)), 1.0 / 3.0);
        near(beta_binomial_tail(10, 8, (1.0, 1.0)), 3.0 / 11.0);
        // Fisher's tea: 8 cups, 3 of 4 right.
        near(fisher([3, 1, 1, 3]), 34.0 / 70.0);
    }
}
