//! The bytes between the contents of a ZIP file (APPNOTE.TXT 6.3): before and after each, and the list at the end.
//!
//! Sizes and checksums stand behind a file, since they are not known before. Numbers that do not fit into 32 bits stand in
//! fields of 64 bits (ZIP64), which files that need none do without, for the sake of old programs.

use std::time::SystemTime;

/// The longest block of the deflate format that is not compressed.
pub(super) const LONGEST_BLOCK: usize = 0xffff;
/// An empty block that is the last one.
pub(super) const LAST_BLOCK: &[u8] = &[1, 0, 0, 0xff, 0xff];
/// Files from this size on have fields of 64 bits. Below 4 GiB, as the heads of blocks make them longer.
const LARGE: u64 = 0xf000_0000;
/// A field whose value stands elsewhere, in 64 bits.
const SEE_64: u32 = u32::MAX;
/// Sizes stand behind the file; its name is UTF-8.
const FLAGS: u16 = (1 << 3) | (1 << 11);
const DEFLATED: u16 = 8;
/// What programs must understand to unpack: deflate, and ZIP64.
const VERSION: u16 = 20;
const VERSION_64: u16 = 45;
const UNIX: u16 = 3 << 8;
const FILE_MODE: u32 = 0o100_644 << 16;

/// The head of a block of so many bytes, at most [`LONGEST_BLOCK`].
pub(super) fn block(length: usize) -> Vec<u8> {
    let length = length as u16;
    let mut head = vec![0];
    head.extend(length.to_le_bytes());
    head.extend((!length).to_le_bytes());
    head
}

/// A file in the list.
pub(super) struct Entry {
    name: String,
    modified: u32,
    size: u64,
    packed: u64,
    checksum: u32,
    offset: u64,
}

impl Entry {
    pub(super) fn new(name: String, modified: SystemTime, size: u64, offset: u64) -> Self {
        Self { name, modified: super::seconds(modified), size, packed: 0, checksum: 0, offset }
    }

    pub(super) fn finish(&mut self, checksum: u32, packed: u64) {
        (self.checksum, self.packed) = (checksum, packed);
    }

    fn is_large(&self) -> bool {
        self.size >= LARGE
    }

    /// What stands before the file.
    pub(super) fn header(&self) -> Vec<u8> {
        let mut out = b"PK\x03\x04".to_vec();
        self.common(&mut out, self.is_large());
        let sizes = if self.is_large() { SEE_64 } else { 0 };
        put32(&mut out, &[0, sizes, sizes]);
        let wide: &[u64] = if self.is_large() { &[0, 0] } else { &[] };
        let extra = self.extra(wide);
        put16(&mut out, &[self.name.len() as u16, extra.len() as u16]);
        out.extend(self.name.as_bytes());
        out.extend(extra);
        out
    }

    /// What stands behind it.
    pub(super) fn trailer(&self) -> Vec<u8> {
        let mut out = b"PK\x07\x08".to_vec();
        put32(&mut out, &[self.checksum]);
        if self.is_large() {
            put64(&mut out, &[self.packed, self.size]);
        } else {
            put32(&mut out, &[self.packed as u32, self.size as u32]);
        }
        out
    }

    /// Its line in the list at the end.
    pub(super) fn in_list(&self) -> Vec<u8> {
        let is_wide = self.is_large() || self.offset >= SEE_64.into();
        let mut out = b"PK\x01\x02".to_vec();
        put16(&mut out, &[UNIX | VERSION_64]);
        self.common(&mut out, is_wide);
        let narrow = |number: u64| if is_wide { SEE_64 } else { number as u32 };
        put32(&mut out, &[self.checksum, narrow(self.packed), narrow(self.size)]);
        let wide: &[u64] = if is_wide { &[self.size, self.packed, self.offset] } else { &[] };
        let extra = self.extra(wide);
        put16(&mut out, &[self.name.len() as u16, extra.len() as u16, 0, 0, 0]);
        put32(&mut out, &[FILE_MODE, narrow(self.offset)]);
        out.extend(self.name.as_bytes());
        out.extend(extra);
        out
    }

    fn common(&self, out: &mut Vec<u8>, is_wide: bool) {
        let (date, time) = dos(self.modified);
        put16(out, &[if is_wide { VERSION_64 } else { VERSION }, FLAGS, DEFLATED, time, date]);
    }

    /// The fields of 64 bits, if any, and the time in UTC, as the other one is in no particular zone.
    fn extra(&self, wide: &[u64]) -> Vec<u8> {
        let mut out = Vec::new();
        if !wide.is_empty() {
            put16(&mut out, &[1, 8 * wide.len() as u16]);
            put64(&mut out, wide);
        }
        put16(&mut out, &[0x5455, 5]);
        out.push(1);
        put32(&mut out, &[self.modified]);
        out
    }
}

/// What stands behind the list: how many lines it has, and where it is.
pub(super) fn end(count: u64, start: u64, size: u64) -> Vec<u8> {
    let mut out = Vec::new();
    let large = u64::from(SEE_64);
    if count >= 0xffff || start >= large || size >= large {
        out.extend(b"PK\x06\x06");
        put64(&mut out, &[44]);
        put16(&mut out, &[UNIX | VERSION_64, VERSION_64]);
        put32(&mut out, &[0, 0]);
        put64(&mut out, &[count, count, size, start]);
        out.extend(b"PK\x06\x07");
        put32(&mut out, &[0]);
        put64(&mut out, &[start + size]);
        put32(&mut out, &[1]);
    }
    out.extend(b"PK\x05\x06");
    let count = count.min(0xffff) as u16;
    put16(&mut out, &[0, 0, count, count]);
    put32(&mut out, &[size.min(large) as u32, start.min(large) as u32]);
    put16(&mut out, &[0]);
    out
}

fn put16(out: &mut Vec<u8>, numbers: &[u16]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put32(out: &mut Vec<u8>, numbers: &[u32]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

fn put64(out: &mut Vec<u8>, numbers: &[u64]) {
    out.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
}

/// Date and time of MS-DOS, which knows the years from 1980 on, and even seconds only.
fn dos(seconds: u32) -> (u16, u16) {
    let (days, of_day) = (seconds / 86400, seconds % 86400);
    let (year, month, day) = date(days);
    if year < 1980 {
        return ((1 << 5) | 1, 0);
    }
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let time = (hour << 11) | (minute << 5) | (second / 2);
    let date = ((year - 1980) << 9) | (month << 5) | day;
    (date as u16, time as u16)
}

/// The date so many days after 1970-01-01, by years that begin in March, so that the odd day is at their end.
fn date(days: u32) -> (u32, u32, u32) {
    let days = days + 719_468;
    let (era, of_era) = (days / 146_097, days % 146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (era * 400 + year + u32::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, UNIX_EPOCH};

    #[test]
    fn dates_are_those_of_the_calendar() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (10_957, (2000, 1, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_781, (2026, 11, 24)),
            (49_709, (2106, 2, 6)),
        ] {
            assert_eq!(date(days), expected);
        }
        assert_eq!(dos(0), (0x21, 0));
        let evening = 20_781 * 86400 + 19 * 3600 + 22 * 60 + 46;
        assert_eq!(dos(evening), ((46 << 9) | (11 << 5) | 24, (19 << 11) | (22 << 5) | 23));
    }

    #[test]
    fn large_files_have_fields_of_64_bits() {
        let modified = UNIX_EPOCH + Duration::from_secs(1_000_000_000);
        let mut small = Entry::new("a".into(), modified, 5, 0);
        small.finish(7, 15);
        assert_eq!((small.header().len(), small.trailer().len(), small.in_list().len()), (40, 16, 56));
        let mut large = Entry::new("a".into(), modified, 5 << 30, 0);
        large.finish(7, 6 << 30);
        assert_eq!((large.header().len(), large.trailer().len(), large.in_list().len()), (60, 24, 84));
        let mut far = Entry::new("a".into(), modified, 5, 5 << 30);
        far.finish(7, 15);
        assert_eq!((far.header().len(), far.trailer().len(), far.in_list().len()), (40, 16, 84));
    }
}
