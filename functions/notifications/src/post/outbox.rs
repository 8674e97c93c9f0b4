//! Mail as files: one `.eml` a mail in a folder, readable by every mail program.
//!
//! The name is the event's time and id, so files sort by time and a mail that is sent again replaces itself. A file is
//! written under a temporary name and renamed, so that a reader never sees half of one. It is not synced to the disk: what
//! a loss of power takes from an outbox, a developer can do without.

use std::fs;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use aws::BoxFuture;

use super::{Post, PostError};
use crate::mailbox::Mailbox;
use crate::mime::{Mail, message};

/// A folder of mail.
pub struct Outbox {
    folder: PathBuf,
    from: Mailbox,
}

impl Outbox {
    /// The outbox in a folder, which is made with the first mail.
    #[must_use]
    pub fn new(folder: PathBuf, from: Mailbox) -> Self {
        Self { folder, from }
    }

    fn write(&self, mail: &Mail) -> std::io::Result<()> {
        let path = self.folder.join(file_name(mail));
        // Two attempts at one mail write the same name, and whoever renames last wins; both are whole.
        let beside = path.with_extension("part");
        let text = message(mail, &self.from);
        let mut file = match create(&beside) {
            Err(error) if error.kind() == ErrorKind::NotFound => {
                fs::create_dir_all(&self.folder)?;
                create(&beside)?
            }
            other => other?,
        };
        file.write_all(text.as_bytes())?;
        fs::rename(&beside, &path)
    }
}

/// A file that only its owner may read: mail is personal.
fn create(path: &Path) -> std::io::Result<fs::File> {
    let mut options = fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)
}

/// `20261118T110640.123Z-evt_….eml`.
fn file_name(mail: &Mail) -> String {
    let time: String = mail.time.to_string().chars().filter(|c| !matches!(c, '-' | ':')).collect();
    format!("{time}-{}.eml", mail.id)
}

impl Post for Outbox {
    fn send<'a>(&'a self, mail: &'a Mail) -> BoxFuture<'a, Result<(), PostError>> {
        // A few KB into the page cache take microseconds, less than a thread would.
        Box::pin(async move { self.write(mail).map_err(|error| PostError::Busy(format!("outbox: {}", error.kind()))) })
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;
    use kernel::{EventId, Timestamp};

    use super::*;
    use crate::mime::tests::{mail, read, sender};

    /// A folder that is removed with the test.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            let path = std::env::temp_dir().join(format!("oxcart-outbox-{}-{name}", std::process::id()));
            drop(fs::remove_dir_all(&path));
            Self(path)
        }

        fn files(&self) -> Vec<String> {
            let mut names: Vec<String> = fs::read_dir(&self.0)
                .map(|all| all.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect())
                .unwrap_or_default();
            names.sort();
            names
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    fn send(folder: &Folder, mail: &Mail) -> Result<(), PostError> {
        Outbox::new(folder.0.join("sub"), sender()).send(mail).now_or_never().unwrap()
    }

    #[test]
    fn a_mail_is_one_whole_file_and_sending_it_again_replaces_it() {
        let folder = Folder::new("one");
        for _ in 0..2 {
            send(&folder, &mail()).unwrap();
        }
        let inner = Folder(folder.0.join("sub"));
        let name = format!("20261118T110640.123Z-{}.eml", mail().id);
        assert_eq!(inner.files(), [name.as_str()]);
        let (headers, text, _) = read(&fs::read_to_string(inner.0.join(&name)).unwrap());
        assert_eq!(headers["subject"], mail().subject);
        assert!(text.starts_with("Hello Zoë"));
    }

    #[test]
    fn files_sort_by_time() {
        let folder = Folder::new("sort");
        let times = [1_795_000_000_999, 1_795_000_000_001, 1_700_000_000_000];
        for (index, time) in times.into_iter().enumerate() {
            let id = EventId::new([u8::try_from(index).unwrap(); 16]);
            send(&folder, &Mail { id, time: Timestamp::from_millis(time), ..mail() }).unwrap();
        }
        let names = Folder(folder.0.join("sub")).files();
        let years: Vec<&str> = names.iter().map(|name| &name[..20]).collect();
        assert_eq!(years, ["20231114T221320.000Z", "20261118T110640.001Z", "20261118T110640.999Z"]);
    }

    #[test]
    fn a_folder_that_cannot_be_written_is_tried_again_later() {
        let folder = Folder::new("file");
        fs::write(&folder.0, "in the way").unwrap();
        assert!(matches!(send(&folder, &mail()), Err(PostError::Busy(_))));
        fs::remove_file(&folder.0).unwrap();
    }
}
