//! The database of pseudo(1), `files.db`: an SQLite database with a row for each name.

use std::path::Path;

use remainroot_shims::owner::FileId;
use remainroot_shims::owner::lists::Claim;
use rusqlite::{Connection, Error, ErrorCode, OpenFlags, Row};

use crate::owners::Trouble;

/// Reads all rows: inodes, and what is said of them.
pub(super) fn read(path: &Path) -> Result<Vec<(FileId, Claim)>, Trouble> {
    let trouble = |error: Error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Trouble::new(format!("{}: locked: pseudo is at work", path.display()))
                .mended_by("wait until its server has ended, or end it: pseudo -S")
        }
        _ => Trouble::new(format!("{}: not a database of pseudo's: {error}", path.display())),
    };
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    // The kernel says best why it cannot be read.
    super::open(path)?;
    let database = Connection::open_with_flags(path, flags).map_err(trouble)?;
    // What is read must be data: a view could be an endless one.
    database.pragma_update(None, "trusted_schema", false).map_err(trouble)?;
    let is_view = "SELECT 1 FROM sqlite_master WHERE type <> 'table' AND name IN ('files', 'xattrs')";
    if database.prepare(is_view).and_then(|mut query| query.exists([])).map_err(trouble)? {
        return Err(Trouble::new(format!(
            "{}: not a database of pseudo's: a view in the place of a table",
            path.display()
        )));
    }
    let sound: String = database.query_row("PRAGMA quick_check(1)", [], |row| row.get(0)).map_err(trouble)?;
    if sound != "ok" {
        return Err(Trouble::new(format!("{}: damaged: {sound}", path.display()))
            .mended_by("nothing was imported; it has to be copied again"));
    }
    let mut all = Vec::new();
    let select = "SELECT id, dev, ino, uid, gid, mode, rdev FROM files";
    let mut query = database.prepare(select).map_err(trouble)?;
    let mut rows = query.query([]).map_err(trouble)?;
    while let Some(row) = rows.next().map_err(trouble)? {
        let id: i64 = row.get(0).map_err(trouble)?;
        let read = claim(row).map_err(|why| {
            Trouble::new(format!("{}: row {id} of the table \"files\": {why}", path.display()))
        });
        all.push(read?);
    }
    drop(rows);
    drop(query);
    add_xattrs(&database, &mut all).map_err(trouble)?;
    Ok(all)
}

fn claim(row: &Row<'_>) -> Result<(FileId, Claim), String> {
    // Integers of SQLite have a sign, numbers of devices and inodes do not.
    let number = |at: usize, name: &str| {
        row.get::<_, i64>(at).map(|value| value as u64).map_err(|_| format!("{name} is no number"))
    };
    let number_32 = |at: usize, name: &str| {
        let value = number(at, name)? as i64;
        // An id that was bound as an int has become negative.
        u32::try_from(value)
            .or_else(|_| i32::try_from(value).map(|value| value as u32))
            .map_err(|_| format!("{name}={value}: no number of 32 bits"))
    };
    let id = FileId { dev: number(1, "dev")?, ino: number(2, "ino")? };
    let (uid, gid) = (number_32(3, "uid")?, number_32(4, "gid")?);
    Ok((id, Claim::of_stat(uid, gid, number_32(5, "mode")?, number(6, "rdev")?)?))
}

/// Adds extended attributes, which newer databases hold in a table of their own.
fn add_xattrs(database: &Connection, all: &mut [(FileId, Claim)]) -> Result<(), Error> {
    let has_table = database
        .prepare("SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'xattrs'")?
        .exists([])?;
    if !has_table {
        return Ok(());
    }
    let mut query = database.prepare("SELECT dev, ino, name, value FROM xattrs")?;
    let mut rows = query.query([])?;
    let mut xattrs = std::collections::HashMap::<FileId, Vec<(Box<[u8]>, Box<[u8]>)>>::new();
    while let Some(row) = rows.next()? {
        let id = FileId { dev: row.get::<_, i64>(0)? as u64, ino: row.get::<_, i64>(1)? as u64 };
        let bytes = |at: usize| -> Result<Box<[u8]>, Error> {
            let value = row.get_ref(at)?;
            value
                .as_bytes()
                .map(Box::from)
                .map_err(|error| Error::FromSqlConversionFailure(at, value.data_type(), Box::new(error)))
        };
        xattrs.entry(id).or_default().push((bytes(2)?, bytes(3)?));
    }
    for (id, claim) in all {
        claim.xattrs.extend(xattrs.get(id).cloned().unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCHEMA: &str = "CREATE TABLE files (id INTEGER PRIMARY KEY, path VARCHAR, dev INTEGER, ino INTEGER,
        uid INTEGER, gid INTEGER, mode INTEGER, rdev INTEGER, deleting INTEGER);
        CREATE TABLE xattrs (id INTEGER PRIMARY KEY, dev INTEGER, ino INTEGER, name VARCHAR, value VARCHAR);";

    fn database(rows: &str) -> (tempfile::TempDir, std::path::PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("files.db");
        Connection::open(&path).unwrap().execute_batch(&format!("{SCHEMA}{rows}")).unwrap();
        (dir, path)
    }

    #[test]
    fn rows_are_read() {
        let (_dir, path) = database(
            "INSERT INTO files VALUES (1, '/a', 64768, 7, 33, -2, 33261, 0, 0);
            INSERT INTO files VALUES (2, '/n', 64768, -1, 0, 0, 8630, 259, 0);
            INSERT INTO xattrs VALUES (1, 64768, 7, 'security.capability', x'0100');",
        );
        let all = read(&path).unwrap();
        assert_eq!(all[0].0, FileId { dev: 64768, ino: 7 });
        assert_eq!(all[0].1.gid.map(|gid| gid.raw()), Some(4_294_967_294));
        assert_eq!(all[0].1.xattrs[&b"security.capability"[..]][..], [1, 0]);
        assert_eq!(all[1].0.ino, u64::MAX);
    }

    #[test]
    fn what_is_wrong_is_told() {
        let why = |rows: &str| {
            let (_dir, path) = database(rows);
            read(&path).unwrap_err().to_string().rsplit_once("files.db: ").unwrap().1.to_owned()
        };
        assert_eq!(
            why("INSERT INTO files VALUES (5, '/a', 1, 7, 'x', 0, 33261, 0, 0)"),
            "row 5 of the table \"files\": uid is no number"
        );
        assert_eq!(
            why("INSERT INTO files VALUES (5, '/a', 1, 7, 0, 0, 1, 0, 0)"),
            "row 5 of the table \"files\": mode 1 is of no type of file"
        );
        assert_eq!(why("DROP TABLE files"), "not a database of pseudo's: no such table: files");
        let endless = "DROP TABLE files; CREATE VIEW files AS WITH RECURSIVE f(id) AS (SELECT 1 UNION ALL SELECT id + 1 FROM f)
            SELECT id, 1 dev, id ino, 0 uid, 0 gid, 33188 mode, 0 rdev FROM f";
        assert_eq!(why(endless), "not a database of pseudo's: a view in the place of a table");
        let many: String = (0..200)
            .map(|ino| format!("INSERT INTO files VALUES ({ino}, '/a', 1, {ino}, 0, 0, 33261, 0, 0);"))
            .collect();
        let (_dir, path) = database(&many);
        let content = std::fs::read(&path).unwrap();
        std::fs::write(&path, &content[..content.len() - 4096]).unwrap();
        let why = read(&path).unwrap_err().to_string();
        assert!(why.contains("malformed") || why.contains(": damaged: "), "{why}");
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(&file, [7; 5000]).unwrap();
        assert!(read(file.path()).unwrap_err().to_string().contains("not a database"));
        let why = read("/nowhere/files.db".as_ref()).unwrap_err().to_string();
        assert_eq!(why, "cannot read /nowhere/files.db: No such file or directory");
    }
}
