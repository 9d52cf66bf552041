//! Records of an extended header (pax(5)).

/// Records, one after the other, as they stand in the archive.
#[derive(Default)]
pub(super) struct Records(Vec<u8>);

impl Records {
    /// Adds a record: `LENGTH KEY=VALUE` and a newline, where the length counts its own digits.
    pub fn add(&mut self, key: &[u8], value: &[u8]) {
        let rest = key.len() + value.len() + 3;
        let mut length = rest + 1;
        while rest + digits(length) != length {
            length = rest + digits(length);
        }
        self.0.extend_from_slice(format!("{length} ").as_bytes());
        self.0.extend_from_slice(key);
        self.0.push(b'=');
        self.0.extend_from_slice(value);
        self.0.push(b'\n');
    }

    /// Adds a record for a number.
    pub fn number(&mut self, key: &str, value: u64) {
        self.add(key.as_bytes(), value.to_string().as_bytes());
    }

    /// What a header's field holds: the number, or 0 if it is larger than `most` and was added here instead.
    pub fn or_number(&mut self, key: &str, value: u64, most: u64) -> u64 {
        if value <= most {
            return value;
        }
        self.number(key, value);
        0
    }

    /// All of them.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

const fn digits(number: usize) -> usize {
    number.ilog10() as usize + 1
}

/// The name of an attribute as a part of a key: what would end it is written as GNU tar does.
pub(super) fn xattr_key(name: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(name.len());
    for &byte in name {
        match byte {
            b'%' => key.extend(b"%25"),
            b'=' => key.extend(b"%3D"),
            _ => key.push(byte),
        }
    }
    key
}

/// A time in seconds, with as many places as it has.
pub(super) fn decimal(sec: i64, nsec: u32) -> String {
    if nsec == 0 {
        return sec.to_string();
    }
    // Nanoseconds count forwards from a second that may lie before the epoch.
    let (sign, sec, nsec) = if sec < 0 { ("-", -(sec + 1), 1_000_000_000 - nsec) } else { ("", sec, nsec) };
    format!("{sign}{sec}.{nsec:09}").trim_end_matches('0').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(key: &str, value: &str) -> String {
        let mut records = Records::default();
        records.add(key.as_bytes(), value.as_bytes());
        String::from_utf8(records.0).unwrap()
    }

    #[test]
    fn a_records_length_counts_itself() {
        assert_eq!(record("a", "b"), "6 a=b\n");
        assert_eq!(record("path", "12"), "11 path=12\n");
        assert_eq!(record("path", ""), "8 path=\n");
        for length in 0..1100 {
            let record = record("k", &"v".repeat(length));
            assert!(record.starts_with(&format!("{} ", record.len())), "{record}");
        }
    }

    #[test]
    fn times_before_the_epoch() {
        assert_eq!(decimal(5, 0), "5");
        assert_eq!(decimal(5, 120_000_000), "5.12");
        assert_eq!(decimal(-1, 0), "-1");
        assert_eq!(decimal(-2, 750_000_000), "-1.25");
        assert_eq!(decimal(-1, 500_000_000), "-0.5");
    }

    #[test]
    fn names_of_attributes() {
        assert_eq!(xattr_key(b"user.a=b%"), b"user.a%3Db%25");
    }
}
