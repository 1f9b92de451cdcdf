//! Days as `2021-02-03`, and how many lie between them.

/// Days since 1970-01-01; `None` for what is no day.
pub fn days(text: &str) -> Option<i64> {
    let shape = text.len() == 10
        && text.bytes().enumerate().all(|(i, b)| {
            if matches!(i, 4 | 7) {
                b == b'-'
            } else {
                b.is_ascii_digit()
            }
        });
    if !shape {
        return None;
    }
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<i64>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let lengths = [
        31,
        28 + i64::from(leap),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let length = lengths.get(usize::try_from(month - 1).ok()?)?;
    if !(1..=*length).contains(&day) {
        return None;
    }
    let before = |y: i64| 365 * y + (y + 3) / 4 - (y + 99) / 100 + (y + 399) / 400;
    let months: i64 = lengths[..month as usize - 1].iter().sum();
    Some(before(year) - before(1970) + months + day - 1)
}

/// Today, by the clock: only where it was asked for.
pub fn today() -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    of_seconds(now.map_or(0, |d| d.as_secs()))
}

/// The day of a time, `1970-01-01` for less than a day since then.
pub fn of_seconds(seconds: u64) -> String {
    let mut left = (seconds / 86_400) as i64;
    let mut year = 1970;
    loop {
        let first = |y: i32| days(&format!("{y:04}-01-01")).unwrap_or(i64::MAX);
        let length = first(year + 1) - first(year);
        if left < length {
            break;
        }
        left -= length;
        year += 1;
    }
    let at = |m: i64| {
        days(&format!("{year:04}-{m:02}-01")).unwrap_or(0)
            - days(&format!("{year:04}-01-01")).unwrap_or(0)
    };
    let month = (1..=12).rev().find(|&m| at(m) <= left).unwrap_or(1);
    format!("{year:04}-{month:02}-{:02}", left - at(month) + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_count_up_through_leap_years() {
        assert_eq!(days("1970-01-01"), Some(0));
        assert_eq!(days("2000-03-01"), Some(11017));
        assert_eq!(days("2024-02-29").unwrap() + 1, days("2024-03-01").unwrap());
        assert_eq!(days("2100-02-28").unwrap() + 1, days("2100-03-01").unwrap());
        for bad in [
            "",
            "2021-02-29",
            "2021-00-10",
            "2021-2-03",
            "2021-02-3x",
            "20210203",
            "é021-02-03",
        ] {
            assert_eq!(days(bad), None, "{bad}");
        }
        for day in [0u64, 58, 59, 60, 364, 365, 11016, 11017, 20782] {
            assert_eq!(days(&of_seconds(day * 86_400 + 7)), Some(day as i64));
        }
    }
}
