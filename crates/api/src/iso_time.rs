//! Times as texts.

/// A time as Python's `datetime.isoformat` writes it: `2026-02-28T23:59:59.120000+00:00`.
pub(crate) fn iso_time(ms: i64) -> String {
    let (seconds, millis) = seconds(ms);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}000") };
    format!("{seconds}{fraction}+00:00")
}

/// A time as protobuf's JSON writes it: `2026-02-28T23:59:59.120Z`.
pub(crate) fn timestamp(ms: i64) -> String {
    let (seconds, millis) = seconds(ms);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    format!("{seconds}{fraction}Z")
}

/// A time as Python's `strftime` writes it with `%Y-%m-%d %H:%M:%S.%f`: `2026-02-28 23:59:59.120000`.
pub(crate) fn datetime(ms: i64) -> String {
    let (seconds, millis) = seconds(ms);
    format!("{}.{millis:03}000", seconds.replace('T', " "))
}

/// A duration as protobuf's JSON writes it: `1.500s`.
pub(crate) fn duration(ms: i64) -> String {
    let sign = if ms < 0 { "-" } else { "" };
    let (seconds, millis) = (ms.unsigned_abs() / 1000, ms.unsigned_abs() % 1000);
    let fraction = if millis == 0 { String::new() } else { format!(".{millis:03}") };
    format!("{sign}{seconds}{fraction}s")
}

/// A time up to its seconds, and its milliseconds.
fn seconds(ms: i64) -> (String, i64) {
    let (days, rest) = (ms.div_euclid(86_400_000), ms.rem_euclid(86_400_000));
    let (year, month, day) = date(days);
    let (seconds, millis) = (rest / 1000, rest % 1000);
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    (format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}"), millis)
}

/// The date of a day, counted from 1970-01-01. Years begin in March here, so that leap days are at their ends.
fn date(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let march_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * march_month + 2) / 5 + 1;
    let month = if march_month < 10 { march_month + 3 } else { march_month - 9 };
    (era * 400 + year_of_era + i64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_pythons() {
        for (ms, text) in [
            (0, "1970-01-01T00:00:00+00:00"),
            (1_709_164_799_120, "2024-02-28T23:59:59.120000+00:00"),
            (1_709_164_800_001, "2024-02-29T00:00:00.001000+00:00"),
            (951_868_800_000, "2000-03-01T00:00:00+00:00"),
            (4_107_542_399_000, "2100-02-28T23:59:59+00:00"),
            (4_107_542_400_000, "2100-03-01T00:00:00+00:00"),
            (-1, "1969-12-31T23:59:59.999000+00:00"),
        ] {
            assert_eq!(iso_time(ms), text);
        }
    }

    #[test]
    fn times_and_durations_are_protobufs() {
        assert_eq!(timestamp(1_709_164_799_120), "2024-02-28T23:59:59.120Z");
        assert_eq!(timestamp(-1000), "1969-12-31T23:59:59Z");
        assert_eq!(datetime(1_709_164_799_120), "2024-02-28 23:59:59.120000");
        for (ms, text) in [(0, "0s"), (1500, "1.500s"), (-7, "-0.007s"), (61_000, "61s")] {
            assert_eq!(duration(ms), text);
        }
    }
}
