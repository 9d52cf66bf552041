//! mtree(5), in both of its forms: names in nested directories (`..` goes up), and one path a line.

use super::{Claim, number, number_32};
use crate::abi::{Gid, Uid, makedev};
use crate::owner::mirror::override_stat::Kind;

/// Reads a file line by line.
#[derive(Debug, Default)]
pub struct Parser {
    /// The directory that names are in, as its parts; `None` before the first, which is the root.
    here: Option<Vec<Vec<u8>>>,
    /// What `/set` has said of all files that follow.
    defaults: Words,
    /// What lines with a backslash at their end have begun.
    begun: Vec<u8>,
}

/// The keywords that say something of owners.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Words {
    uid: Option<Uid>,
    gid: Option<Gid>,
    mode: Option<u16>,
    kind: Option<Type>,
    device: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Type {
    File,
    Dir,
    Link,
    Fifo,
    Socket,
    Block,
    Char,
}

impl Parser {
    /// Reads the next line, without the newline at its end. Returns what it says, if it is about a file: its path below
    /// the root, without a slash at either end.
    ///
    /// # Errors
    /// Why it is no such line.
    pub fn line(&mut self, text: &[u8]) -> Result<Option<(Vec<u8>, Claim)>, String> {
        if let Some(start) = text.strip_suffix(b"\\") {
            self.begun.extend_from_slice(start);
            self.begun.push(b' ');
            return Ok(None);
        }
        let mut line = std::mem::take(&mut self.begun);
        line.extend_from_slice(text);
        let mut words = line.split(|byte| byte.is_ascii_whitespace()).filter(|word| !word.is_empty());
        match words.next() {
            None => Ok(None),
            Some(word) if word.starts_with(b"#") => Ok(None),
            Some(b"/set") => words.try_for_each(|word| self.defaults.set(word)).map(|()| None),
            Some(b"/unset") => words.try_for_each(|word| self.defaults.unset(word)).map(|()| None),
            Some(word) if word.starts_with(b"/") && !word[1..].contains(&b'/') => {
                Err(format!("{:?} is no command", String::from_utf8_lossy(word)))
            }
            Some(b"..") => self.up().map(|()| None),
            Some(name) => self.file(name, words).map(Some),
        }
    }

    /// Whether the file may end here.
    ///
    /// # Errors
    /// Why not.
    pub fn end(&self) -> Result<(), String> {
        if self.begun.is_empty() {
            Ok(())
        } else {
            Err("the last line goes on, but there is no more".to_owned())
        }
    }

    fn up(&mut self) -> Result<(), String> {
        match &mut self.here {
            Some(parts) if !parts.is_empty() => drop(parts.pop()),
            // From the root to where nothing more can follow.
            Some(_) => self.here = None,
            None => return Err("\"..\" leads out of the tree".to_owned()),
        }
        Ok(())
    }

    fn file<'a>(
        &mut self,
        name: &[u8],
        words: impl Iterator<Item = &'a [u8]>,
    ) -> Result<(Vec<u8>, Claim), String> {
        let mut said = self.defaults.clone();
        for word in words {
            said.set(word)?;
        }
        let name = unescaped(name)?;
        let is_path = name.contains(&b'/');
        let mut parts = if is_path { Vec::new() } else { self.here.clone().unwrap_or_default() };
        for part in name.split(|&byte| byte == b'/') {
            match part {
                b"" | b"." => {}
                b".." => return Err("a path with \"..\" in it".to_owned()),
                part if part.contains(&0) => return Err("a name with a NUL in it".to_owned()),
                part => parts.push(part.to_vec()),
            }
        }
        let path = parts.join(&b'/');
        if !is_path && said.kind == Some(Type::Dir) {
            self.here = Some(parts);
        }
        Ok((path, said.claim()?))
    }
}

impl Words {
    /// Reads a keyword with its value. One that says nothing of owners is passed over.
    fn set(&mut self, word: &[u8]) -> Result<(), String> {
        let at = word.iter().position(|&byte| byte == b'=').unwrap_or(word.len());
        let (key, value) = (&word[..at], word.get(at + 1..).unwrap_or_default());
        match key {
            b"uid" => self.uid = Some(Uid::new(number_32("uid", value, 10)?).ok_or("-1 is no uid")?),
            b"gid" => self.gid = Some(Gid::new(number_32("gid", value, 10)?).ok_or("-1 is no gid")?),
            b"mode" => {
                let mode = number("mode", value, 8)?;
                let mode = u16::try_from(mode).ok().filter(|mode| *mode <= 0o7777);
                self.mode = Some(mode.ok_or("mode: more than twelve bits")?);
            }
            b"type" => self.kind = Some(kind(value)?),
            b"device" => self.device = Some(device(value)?),
            _ => {}
        }
        Ok(())
    }

    fn unset(&mut self, key: &[u8]) -> Result<(), String> {
        match key {
            b"all" => *self = Words::default(),
            b"uid" => self.uid = None,
            b"gid" => self.gid = None,
            b"mode" => self.mode = None,
            b"type" => self.kind = None,
            b"device" => self.device = None,
            _ => {}
        }
        Ok(())
    }

    fn claim(self) -> Result<Claim, String> {
        let numbered = || self.device.ok_or("a device without device=");
        let kind = match self.kind {
            None => None,
            Some(Type::File) => Some(Kind::File),
            Some(Type::Dir) => Some(Kind::Dir),
            Some(Type::Link) => Some(Kind::Symlink),
            Some(Type::Fifo) => Some(Kind::Pipe),
            Some(Type::Socket) => Some(Kind::Socket),
            Some(Type::Block) => Some(Kind::Block(numbered()?)),
            Some(Type::Char) => Some(Kind::Char(numbered()?)),
        };
        Ok(Claim { uid: self.uid, gid: self.gid, mode: self.mode, kind, ..Claim::default() })
    }
}

fn kind(value: &[u8]) -> Result<Type, String> {
    Ok(match value {
        b"file" => Type::File,
        b"dir" => Type::Dir,
        b"link" => Type::Link,
        b"fifo" => Type::Fifo,
        b"socket" => Type::Socket,
        b"block" => Type::Block,
        b"char" => Type::Char,
        _ => return Err(format!("type={}: there is no such type", String::from_utf8_lossy(value))),
    })
}

/// `FORMAT,MAJOR,MINOR`, or a number as `st_rdev` has it. How a format packs the two does not matter here.
fn device(value: &[u8]) -> Result<u64, String> {
    let any_base = |text: &[u8]| match text {
        [b'0', b'x', digits @ ..] => number("device", digits, 16),
        [b'0', digits @ ..] if !digits.is_empty() => number("device", digits, 8),
        _ => number("device", text, 10),
    };
    let parts: Vec<_> = value.split(|&byte| byte == b',').collect();
    match parts[..] {
        [number] => any_base(number),
        [_, major, minor] => {
            let half = |text| {
                any_base(text).and_then(|n| u32::try_from(n).map_err(|_| "device: too large".to_owned()))
            };
            Ok(makedev(half(major)?, half(minor)?))
        }
        _ => Err(format!("device={}: expected FORMAT,MAJOR,MINOR", String::from_utf8_lossy(value))),
    }
}

/// A name as it is, from the form that vis(3) gives it.
fn unescaped(name: &[u8]) -> Result<Vec<u8>, String> {
    let mut out = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((&byte, tail)) = rest.split_first() {
        rest = tail;
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        let wrong = || format!("{:?}: a backslash that stands for nothing", String::from_utf8_lossy(name));
        let octal = |digit: &u8| (b'0'..=b'7').contains(digit).then(|| u32::from(digit - b'0'));
        if let [a, b, c, tail @ ..] = rest
            && let (Some(a), Some(b), Some(c)) = (octal(a), octal(b), octal(c))
        {
            out.push(u8::try_from(a << 6 | b << 3 | c).map_err(|_| wrong())?);
            rest = tail;
            continue;
        }
        let (&letter, tail) = rest.split_first().ok_or_else(wrong)?;
        rest = tail;
        out.push(match letter {
            b's' => b' ',
            b'n' => b'\n',
            b'r' => b'\r',
            b't' => b'\t',
            b'a' => 7,
            b'b' => 8,
            b'v' => 11,
            b'f' => 12,
            b'\\' | b'#' | b' ' | b'=' => letter,
            _ => return Err(wrong()),
        });
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<Vec<(String, Claim)>, String> {
        let mut parser = Parser::default();
        let mut all = Vec::new();
        for line in text.lines() {
            if let Some((path, claim)) = parser.line(line.as_bytes())? {
                all.push((path.escape_ascii().to_string(), claim));
            }
        }
        parser.end()?;
        Ok(all)
    }

    fn owner((path, claim): &(String, Claim)) -> String {
        let id = |id: Option<u32>| id.map_or("-".to_owned(), |id| id.to_string());
        let mode = claim.mode.map_or("-".to_owned(), |mode| format!("{mode:o}"));
        format!("{path} {}:{} {mode}", id(claim.uid.map(Uid::raw)), id(claim.gid.map(Gid::raw)))
    }

    #[test]
    fn paths() {
        let all = read(
            "#mtree\n. type=dir uid=0 gid=0 mode=0755\n./a\\040b type=file uid=33 gid=7 mode=4755 size=1\n\
             ./c type=char device=native,1,3 uid=0 gid=5 mode=666\n./d type=block device=0x801 uid=0\n",
        )
        .unwrap();
        let owners: Vec<_> = all.iter().map(owner).collect();
        assert_eq!(owners, [" 0:0 755", "a b 33:7 4755", "c 0:5 666", "d 0:- -"]);
        assert_eq!(all[2].1.kind, Some(Kind::Char(makedev(1, 3))));
        assert_eq!(all[3].1.kind, Some(Kind::Block(0x801)));
    }

    #[test]
    fn nested_names() {
        let all = read(
            "/set type=file uid=1 gid=2 mode=0644\n. type=dir mode=0755\n  etc type=dir mode=0755 \\\n  uid=0\n\
             \n    passwd\n    shadow mode=0640 gid=42\n  ..\n/unset gid\n  vmlinuz uid=9\n..\n",
        );
        let owners: Vec<_> = all.unwrap().iter().map(owner).collect();
        assert_eq!(
            owners,
            [" 1:2 755", "etc 0:2 755", "etc/passwd 1:2 644", "etc/shadow 1:42 640", "vmlinuz 9:- 644"]
        );
    }

    #[test]
    fn what_is_wrong_is_told() {
        let why = |text: &str| read(text).unwrap_err();
        assert_eq!(why("a uid=x"), "uid=x: expected a number to the base 10");
        assert_eq!(why("a uid=4294967295"), "-1 is no uid");
        assert_eq!(why("a mode=u+x"), "mode=u+x: expected a number to the base 8");
        assert_eq!(why("a mode=17777"), "mode: more than twelve bits");
        assert_eq!(why("a type=door"), "type=door: there is no such type");
        assert_eq!(why("a type=char"), "a device without device=");
        assert_eq!(why("a device=1,2"), "device=1,2: expected FORMAT,MAJOR,MINOR");
        assert_eq!(why("../a uid=0"), "a path with \"..\" in it");
        assert_eq!(why(".."), "\"..\" leads out of the tree");
        assert_eq!(why("a\\9 uid=0"), "\"a\\\\9\": a backslash that stands for nothing");
        assert_eq!(why("/frob x"), "\"/frob\" is no command");
        assert_eq!(why("a uid=0 \\"), "the last line goes on, but there is no more");
        assert_eq!(why("a\\000b uid=0"), "a name with a NUL in it");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(4096))]

        #[test]
        fn names_come_back(name in prop::collection::vec(1u8.., 1..20)) {
            prop_assume!(!name.contains(&b'/') && name != b".." && name != b".");
            let text: String = name.iter().map(|byte| format!("\\{byte:03o}")).collect();
            prop_assert_eq!(unescaped(text.as_bytes()), Ok(name));
        }

        #[test]
        fn anything_can_be_read(
            lines in prop::collection::vec(
                "(/set|/unset|\\.\\.|\\.|[a-c/\\\\0-9.#]{1,6})( (uid|gid|mode|type|device)(=[0-9,xdirchar]{0,6})?){0,4} ?\\\\?",
                0..12,
            ),
        ) {
            let mut parser = Parser::default();
            for line in &lines {
                if let Ok(Some((path, _))) = parser.line(line.as_bytes()) {
                    prop_assert!(!path.starts_with(b"/") && !path.ends_with(b"/"));
                    prop_assert!(path.split(|&byte| byte == b'/').all(|part| part != b".." && part != b"."));
                }
            }
        }

        #[test]
        fn any_bytes_can_be_read(lines in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..30), 0..8)) {
            let mut parser = Parser::default();
            for line in &lines {
                let _ = parser.line(line);
            }
        }
    }
}
