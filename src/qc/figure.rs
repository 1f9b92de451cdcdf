//! A figure, or the reason why there is none.

use serde::{Deserialize, Serialize};

/// In JSON: the figure, or `{"not_assessed": "why"}`. Absence is told, never taken for zero.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Figure<T> {
    /// It could not be given.
    NotAssessed {
        /// Why, and what would help.
        not_assessed: String,
    },
    /// Here it is.
    Given(T),
}

impl<T> Figure<T> {
    /// Why it cannot be given.
    pub fn not_assessed(reason: impl Into<String>) -> Figure<T> {
        Figure::NotAssessed {
            not_assessed: reason.into(),
        }
    }

    /// The figure, if there is one.
    pub fn given(&self) -> Option<&T> {
        match self {
            Figure::Given(value) => Some(value),
            Figure::NotAssessed { .. } => None,
        }
    }
}

/// Two decimals are enough for people, and alike everywhere.
pub fn rounded(x: f64) -> f64 {
    (x * 100.0).round() / 100.0
}

/// Four significant digits, for shares that may be small.
pub fn significant(x: f64) -> f64 {
    format!("{x:.3e}").parse().expect("a number was written")
}

/// `a` of `b`; not assessed without any.
pub fn share(a: u64, b: u64, without: &str) -> Figure<f64> {
    if b == 0 {
        return Figure::not_assessed(without);
    }
    Figure::Given((1e4 * a as f64 / b as f64).round() / 1e4)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_assessed_says_why_in_json_and_is_read_back() {
        let open: Figure<f64> = Figure::not_assessed("no sites");
        let text = serde_json::to_string(&open).unwrap();
        assert_eq!(text, r#"{"not_assessed":"no sites"}"#);
        assert_eq!(serde_json::from_str::<Figure<f64>>(&text).unwrap(), open);
        assert_eq!(serde_json::to_string(&Figure::Given(0.5)).unwrap(), "0.5");
    }

    #[test]
    fn small_shares_keep_their_digits() {
        let kept = Figure::Given(significant(0.000_123_456));
        assert_eq!(kept, Figure::Given(0.000_123_5));
        assert_eq!(Figure::Given(significant(0.0)), Figure::Given(0.0));
        assert_eq!(share(1, 3, ""), Figure::Given(0.3333));
    }
}
