//! Two processes that change different things about one file at the same time.

use remainroot_shims::owner::Record;

/// What `new`, which was made of `base`, comes to where others have made it `now` meanwhile: what it changes is changed,
/// and the rest is theirs.
pub fn merged(new: Record, base: &Record, now: Record) -> Record {
    if now == *base {
        return new;
    }
    let mut all = now;
    if new.uid != base.uid {
        all.uid = new.uid;
    }
    if new.gid != base.gid {
        all.gid = new.gid;
    }
    if new.mode != base.mode {
        all.mode = new.mode;
    }
    if new.device != base.device {
        all.device = new.device;
    }
    all.xattrs.retain(|name, _| new.xattrs.contains_key(name) || !base.xattrs.contains_key(name));
    all.xattrs.extend(new.xattrs.into_iter().filter(|(name, value)| base.xattrs.get(name) != Some(value)));
    all
}

#[cfg(test)]
mod tests {
    use remainroot_shims::abi::{Gid, Uid};

    use super::*;

    #[test]
    fn what_each_has_changed_is_changed() {
        let record = |uid, gid, names: &[&str]| {
            let mut record = Record::owned(Uid::new(uid).unwrap(), Gid::new(gid).unwrap());
            record.xattrs =
                names.iter().map(|name| (name.as_bytes().into(), name.as_bytes().into())).collect();
            record
        };
        let base = record(1, 2, &["kept", "ours to remove", "theirs to remove"]);
        let mut new = record(33, 2, &["kept", "theirs to remove", "ours"]);
        new.mode = Some(0o4755);
        let now = record(1, 44, &["kept", "ours to remove", "theirs"]);
        let mut expected = record(33, 44, &["kept", "ours", "theirs"]);
        expected.mode = Some(0o4755);
        assert_eq!(merged(new.clone(), &base, now), expected);
        assert_eq!(merged(new.clone(), &base, base.clone()), new);
    }
}
