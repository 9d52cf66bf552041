//! A tree as an image of one layer, in the layout of the OCI image specification.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use flate2::GzBuilder;
use flate2::write::GzEncoder;
use oci_spec::OciSpecError;
use oci_spec::image::{
    ANNOTATION_REF_NAME, Arch, ConfigBuilder, Descriptor, HistoryBuilder, ImageConfigurationBuilder,
    ImageIndexBuilder, ImageManifestBuilder, MediaType, OciLayoutBuilder, Os, RootFsBuilder, Sha256Digest,
};
use serde_json::to_vec;
use sha2::{Digest, Sha256};

use super::{Times, cannot_make, own, replacing, tar, unfinished};
use crate::owners::names::{hex, rfc_3339};
use crate::owners::{Progress, Tree, Trouble};
use crate::sandbox::why_io;

/// How a layer is packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// gzip, which everybody reads.
    Gzip,
    /// Zstandard: faster and smaller.
    Zstd,
}

/// What an image says beside its layer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// How the layer is packed.
    pub compression: Compression,
    /// Its name in the layout.
    pub tag: String,
}

/// Where a blob of the layout goes, while its digest and size are taken.
struct Blob<W> {
    to: W,
    hash: Sha256,
    size: u64,
}

impl<W: Write> Blob<W> {
    fn new(to: W) -> Blob<W> {
        Blob { to, hash: Sha256::new(), size: 0 }
    }

    /// What it went to, its digest in hexadecimal digits, and its size.
    fn finish(self) -> (W, String, u64) {
        (self.to, hex(&self.hash.finalize()), self.size)
    }
}

impl<W: Write> Write for Blob<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

/// Packs what is written to it.
enum Packer<W: Write> {
    None(W),
    Gzip(GzEncoder<W>),
    Zstd(zstd::Encoder<'static, W>),
}

impl<W: Write> Packer<W> {
    fn new(compression: Compression, to: W) -> io::Result<Packer<W>> {
        Ok(match compression {
            Compression::None => Packer::None(to),
            // Neither a name nor a time, and no word on the system that it was made on (255: unknown).
            Compression::Gzip => {
                Packer::Gzip(GzBuilder::new().operating_system(255).write(to, flate2::Compression::default()))
            }
            Compression::Zstd => Packer::Zstd(zstd::Encoder::new(to, zstd::DEFAULT_COMPRESSION_LEVEL)?),
        })
    }

    fn finish(self) -> io::Result<W> {
        match self {
            Packer::None(to) => Ok(to),
            Packer::Gzip(encoder) => encoder.finish(),
            Packer::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl<W: Write> Write for Packer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Packer::None(to) => to.write(bytes),
            Packer::Gzip(encoder) => encoder.write(bytes),
            Packer::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Packer::None(to) => to.flush(),
            Packer::Gzip(encoder) => encoder.flush(),
            Packer::Zstd(encoder) => encoder.flush(),
        }
    }
}

/// Writes the image: a directory, or an archive of one if the path ends in `.tar`.
pub(super) fn export(
    tree: &Tree<'_>,
    image: &Image,
    times: Times,
    to: &Path,
    progress: &Progress,
) -> Result<(), Trouble> {
    let is_archive = to.extension().is_some_and(|extension| extension == "tar");
    let layout = if is_archive { unfinished(&to.with_extension("layout")) } else { unfinished(to) };
    if !is_archive && fs::symlink_metadata(to).is_ok() {
        return Err(Trouble::new(format!("{} exists", to.display())).mended_by(
            "remove it, or name a directory that does not: an image is not added to one that is there",
        ));
    }
    fs::create_dir(&layout).map_err(|error| cannot_make(&layout, &error))?;
    let result = write_layout(tree, image, times, &layout, progress).and_then(|()| {
        if is_archive { replacing(to, |file| archive(&layout, file)) } else { rename(&layout, to) }
    });
    if is_archive || result.is_err() {
        let _ = fs::remove_dir_all(&layout);
    }
    result
}

fn rename(from: &Path, to: &Path) -> Result<(), Trouble> {
    fs::rename(from, to).map_err(|error| cannot_make(to, &error))
}

fn write_layout(
    tree: &Tree<'_>,
    image: &Image,
    times: Times,
    layout: &Path,
    progress: &Progress,
) -> Result<(), Trouble> {
    let blobs = layout.join("blobs/sha256");
    fs::create_dir_all(&blobs).map_err(|error| cannot_make(&blobs, &error))?;
    let (layer, diff_id) = write_layer(tree, image.compression, times, layout, &blobs, progress)?;

    // Go's names (GOARCH), as the specification wants them: amd64, and not x86_64.
    let arch = Arch::default();
    let rootfs = RootFsBuilder::default().typ("layers").diff_ids([format!("sha256:{diff_id}")]).build();
    let config = ConfigBuilder::default()
        .env(["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin".to_owned()])
        .build();
    // One entry a layer: buildah builds on no image of which it lacks one.
    let mut history = HistoryBuilder::default().created_by("remainroot owners export");
    if let Some(epoch) = times.epoch {
        history = history.created(rfc_3339(epoch));
    }
    let mut configuration = ImageConfigurationBuilder::default()
        .history([history.build().map_err(inconsistent)?])
        .architecture(arch)
        .os(Os::Linux)
        .config(config.map_err(inconsistent)?)
        .rootfs(rootfs.map_err(inconsistent)?);
    if let Some(epoch) = times.epoch {
        configuration = configuration.created(rfc_3339(epoch));
    }
    let configuration = to_vec(&configuration.build().map_err(inconsistent)?);
    let configuration = write_document(&blobs, MediaType::ImageConfig, &configuration.map_err(unwritable)?)?;

    let manifest = ImageManifestBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageManifest)
        .config(configuration)
        .layers([layer])
        .build();
    let manifest = to_vec(&manifest.map_err(inconsistent)?).map_err(unwritable)?;
    let mut manifest = write_document(&blobs, MediaType::ImageManifest, &manifest)?;
    manifest.set_annotations(Some([(ANNOTATION_REF_NAME.to_owned(), image.tag.clone())].into()));

    let index = ImageIndexBuilder::default()
        .schema_version(2u32)
        .media_type(MediaType::ImageIndex)
        .manifests([manifest])
        .build();
    let marker = OciLayoutBuilder::default().image_layout_version("1.0.0").build();
    write_file(&layout.join("oci-layout"), &to_vec(&marker.map_err(inconsistent)?).map_err(unwritable)?)?;
    write_file(&layout.join("index.json"), &to_vec(&index.map_err(inconsistent)?).map_err(unwritable)?)
}

/// Writes the layer. Returns its descriptor, and the digest of what is packed in it.
fn write_layer(
    tree: &Tree<'_>,
    compression: Compression,
    times: Times,
    layout: &Path,
    blobs: &Path,
    progress: &Progress,
) -> Result<(Descriptor, String), Trouble> {
    let path = blobs.join("layer");
    let trouble = |error: io::Error| cannot_make(&path, &error);
    let packed = Blob::new(File::create_new(&path).map_err(trouble)?);
    let packer = Packer::new(compression, BufWriter::with_capacity(256 * 1024, packed)).map_err(trouble)?;
    let mut archive = tar::Writer::new(BufWriter::with_capacity(256 * 1024, Blob::new(packer)), times);
    let own = File::open(layout).ok().and_then(|layout| own(&layout));
    tree.each(progress, own, |entry| archive.entry(&entry, progress))?;
    let unpacked = archive.finish()?.into_inner().map_err(|error| trouble(error.into_error()))?;
    let (packer, diff_id, _) = unpacked.finish();
    let packed = packer.finish().map_err(trouble)?;
    let (file, digest, size) = packed.into_inner().map_err(|error| trouble(error.into_error()))?.finish();
    file.sync_all().map_err(trouble)?;
    rename(&path, &blobs.join(&digest))?;
    let media_type = match compression {
        Compression::None => MediaType::ImageLayer,
        Compression::Gzip => MediaType::ImageLayerGzip,
        Compression::Zstd => MediaType::ImageLayerZstd,
    };
    Ok((descriptor(media_type, size, &digest)?, diff_id))
}

fn descriptor(media_type: MediaType, size: u64, digest: &str) -> Result<Descriptor, Trouble> {
    let digest: Sha256Digest = digest.parse().map_err(inconsistent)?;
    Ok(Descriptor::new(media_type, size, digest))
}

fn write_document(blobs: &Path, media_type: MediaType, text: &[u8]) -> Result<Descriptor, Trouble> {
    let digest = hex(&Sha256::digest(text));
    write_file(&blobs.join(&digest), text)?;
    descriptor(media_type, text.len() as u64, &digest)
}

fn write_file(path: &Path, text: &[u8]) -> Result<(), Trouble> {
    let write = || {
        let mut file = File::create(path)?;
        file.write_all(text)?;
        file.sync_all()
    };
    write().map_err(|error| cannot_make(path, &error))
}

fn inconsistent(error: OciSpecError) -> Trouble {
    Trouble::new(format!("cannot describe the image: {error}"))
}

fn unwritable(error: serde_json::Error) -> Trouble {
    Trouble::new(format!("cannot describe the image: {error}"))
}

/// Writes a layout as an archive, as root's and without times, so that the same image gives the same archive.
fn archive(layout: &Path, file: &File) -> Result<(), Trouble> {
    let mut builder = ::tar::Builder::new(BufWriter::with_capacity(256 * 1024, file));
    let trouble = |error: io::Error| {
        Trouble::new(format!("cannot write an archive of {}: {}", layout.display(), why_io(&error)))
    };
    let mut dirs = vec![layout.to_owned()];
    let mut files = Vec::new();
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(&dir).map_err(trouble)? {
            let path = entry.map_err(trouble)?.path();
            if path.is_dir() { dirs.push(path) } else { files.push(path) }
        }
    }
    files.sort();
    for path in files {
        let content = File::open(&path).map_err(trouble)?;
        let mut header = ::tar::Header::new_ustar();
        header.set_size(content.metadata().map_err(trouble)?.len());
        header.set_mode(0o644);
        header.set_mtime(0);
        let name = path.strip_prefix(layout).unwrap_or(&path);
        builder.append_data(&mut header, name, content).map_err(trouble)?;
    }
    builder.into_inner().and_then(|mut out| out.flush()).map_err(trouble)
}
