//! The master key: from the configuration, or else from a file that the first start makes.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use secrecy::{ExposeSecret, SecretString};
use zeroize::Zeroizing;

/// With or without `=` at its end, as people copy it.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &base64::alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);
const FILE_BYTES_MAX: u64 = 1_024;

/// 256 bits that seal every other secret. It does not print, and is wiped from memory when it is dropped.
#[derive(Clone)]
pub struct MasterKey(Zeroizing<[u8; 32]>);

/// Why there is no master key. The text says what to do.
#[derive(Debug, thiserror::Error)]
pub enum MasterKeyError {
    /// `secrets.master_key` is no key.
    #[error("`secrets.master_key` must be 32 bytes in base64: make one with `openssl rand -base64 32`")]
    NotAKey,
    /// The file holds no key.
    #[error(
        "{0} must hold 32 bytes in base64: restore it from a backup; remove it only if nothing was sealed by it yet"
    )]
    NotAKeyFile(PathBuf),
    /// Others than its owner may read the file.
    #[error("others may read {path} (mode {mode:03o}): run `chmod 600 {path}`, and change the key if they have")]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file could not be read or made.
    #[error("the master key {path} could not be read or made")]
    Io {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The system has no randomness to make one.
    #[error("the system has no randomness to make a master key")]
    NoRandomness,
}

impl MasterKey {
    /// The name of the file in `data_dir`.
    pub const FILE_NAME: &'static str = "master.key";

    /// Wraps a key.
    #[must_use]
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// The key of the configuration.
    ///
    /// # Errors
    /// [`MasterKeyError::NotAKey`].
    pub fn parse(base64: &SecretString) -> Result<Self, MasterKeyError> {
        decode(base64.expose_secret()).ok_or(MasterKeyError::NotAKey)
    }

    /// The key in the file `master.key` of `data_dir`, made at the first start with mode 0600. Of several processes that
    /// start at once, one makes it and all read the same; a crash half-way leaves none, or a whole one.
    ///
    /// # Errors
    /// [`MasterKeyError`]: a file that others may read is refused, since they may have read it.
    pub fn load_or_make(data_dir: &Path) -> Result<Self, MasterKeyError> {
        let path = data_dir.join(Self::FILE_NAME);
        let failed = |source| MasterKeyError::Io { path: path.clone(), source };
        match File::open(&path) {
            Ok(file) => read(file, &path),
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let key = Zeroizing::new(new_key()?);
                make(data_dir, &path, &key).map_err(failed)?;
                read(File::open(&path).map_err(failed)?, &path)
            }
            Err(error) => Err(failed(error)),
        }
    }

    pub(crate) fn expose(&self) -> &[u8; 32] {
        &self.0
    }

    /// Tells keys apart without telling anything of them.
    pub(crate) fn fingerprint(&self) -> [u8; 8] {
        let labelled = Zeroizing::new([b"goticket master key".as_slice(), self.0.as_slice()].concat());
        let mut fingerprint = [0; 8];
        fingerprint.copy_from_slice(&digest(&SHA256, &labelled).as_ref()[..8]);
        fingerprint
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(…)")
    }
}

fn decode(base64: &str) -> Option<MasterKey> {
    let bytes = Zeroizing::new(LENIENT.decode(base64.trim()).ok()?);
    bytes.as_slice().try_into().ok().map(MasterKey::new)
}

fn new_key() -> Result<[u8; 32], MasterKeyError> {
    let mut key = [0; 32];
    aws_lc_rs::rand::fill(&mut key).map_err(|_| MasterKeyError::NoRandomness)?;
    Ok(key)
}

fn read(file: File, path: &Path) -> Result<MasterKey, MasterKeyError> {
    let failed = |source| MasterKeyError::Io { path: path.to_owned(), source };
    refuse_exposed(&file, path)?;
    let mut text = Zeroizing::new(String::new());
    file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(failed)?;
    decode(&text).ok_or_else(|| MasterKeyError::NotAKeyFile(path.to_owned()))
}

#[cfg(unix)]
fn refuse_exposed(file: &File, path: &Path) -> Result<(), MasterKeyError> {
    use std::os::unix::fs::PermissionsExt;

    let failed = |source| MasterKeyError::Io { path: path.to_owned(), source };
    let mode = file.metadata().map_err(failed)?.permissions().mode() & 0o777;
    if mode & 0o077 == 0 { Ok(()) } else { Err(MasterKeyError::Exposed { path: path.to_owned(), mode }) }
}

#[cfg(not(unix))]
fn refuse_exposed(_: &File, _: &Path) -> Result<(), MasterKeyError> {
    Ok(())
}

/// Writes the key to a file of its own and gives it its name only when it lies on the disk: a link, unlike a renaming,
/// fails where the name is taken. Then somebody else was faster, and his key counts.
fn make(data_dir: &Path, path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let mut folders = fs::DirBuilder::new();
    folders.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut folders, 0o700);
    folders.create(data_dir)?;
    let draft = tempfile_path(data_dir)?;
    let made = write(&draft, key).and_then(|()| match fs::hard_link(&draft, path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        other => other,
    });
    fs::remove_file(&draft)?;
    made?;
    File::open(data_dir)?.sync_all()
}

fn tempfile_path(data_dir: &Path) -> io::Result<PathBuf> {
    let mut suffix = [0; 8];
    aws_lc_rs::rand::fill(&mut suffix).map_err(|_| io::Error::other("the system has no randomness"))?;
    Ok(data_dir.join(format!(".master.key.{:016x}", u64::from_ne_bytes(suffix))))
}

fn write(path: &Path, key: &[u8; 32]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    let text = Zeroizing::new(STANDARD.encode(key) + "\n");
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::sync::Barrier;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn a_key_of_the_configuration_has_32_bytes() {
        let text = STANDARD.encode([7; 32]);
        for good in [text.as_str(), text.trim_end_matches('='), &format!(" {text}\n")] {
            assert_eq!(MasterKey::parse(&good.into()).unwrap().expose(), &[7; 32]);
        }
        for bad in ["", "secret", "%%%%", &STANDARD.encode([7; 31]), &STANDARD.encode([7; 33])] {
            assert!(matches!(MasterKey::parse(&(*bad).into()), Err(MasterKeyError::NotAKey)), "{bad}");
        }
    }

    #[test]
    fn it_does_not_print() {
        assert_eq!(format!("{:?}", MasterKey::new([7; 32])), "MasterKey(…)");
    }

    #[test]
    fn the_first_start_makes_a_file_for_its_owner_only_and_the_next_reads_it() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = dir.path().join("data");
        let made = MasterKey::load_or_make(&data_dir).unwrap();
        assert_eq!((mode(&data_dir), mode(&data_dir.join("master.key"))), (0o700, 0o600));
        assert_eq!(MasterKey::load_or_make(&data_dir).unwrap().expose(), made.expose());
        assert_eq!(fs::read_dir(&data_dir).unwrap().count(), 1, "no draft is left");
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        MasterKey::load_or_make(dir.path()).unwrap();
        let path = dir.path().join("master.key");
        for exposed in [0o644, 0o640, 0o604, 0o620] {
            fs::set_permissions(&path, fs::Permissions::from_mode(exposed)).unwrap();
            let error = MasterKey::load_or_make(dir.path()).unwrap_err();
            assert!(error.to_string().contains("chmod 600"), "{error}");
        }
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        assert!(MasterKey::load_or_make(dir.path()).is_ok());
    }

    #[test]
    fn a_damaged_file_is_told_and_kept() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("master.key");
        for text in [b"".as_slice(), b"short", &[0xff; 44], &[b'A'; 5000]] {
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
            assert!(MasterKey::load_or_make(dir.path()).is_err());
            assert_eq!(fs::read(&path).unwrap(), text);
        }
    }

    #[test]
    fn of_many_that_start_at_once_all_have_the_same_key() {
        for _ in 0..20 {
            let dir = tempfile::tempdir().unwrap();
            let barrier = Barrier::new(8);
            let start = || {
                barrier.wait();
                *MasterKey::load_or_make(dir.path()).unwrap().expose()
            };
            let keys: Vec<_> = std::thread::scope(|scope| {
                let threads: Vec<_> = (0..8).map(|_| scope.spawn(start)).collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert!(keys.iter().all(|key| *key == keys[0]));
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "no draft is left");
        }
    }
}
