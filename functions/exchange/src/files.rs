//! The stage's bucket: files that come in (`imports/`) and go out (`exports/`).

use std::time::Duration;

use aws::{BoxFuture, Capability, ConfigError, DataError, Grant, Platform, Resource};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_sdk_s3::error::SdkError;
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use aws_smithy_types::timeout::TimeoutConfig;
use kernel::ExportId;

use crate::job::Import;

/// How long an address to upload to, or to download from, is good.
pub const ADDRESS_LIFE: Duration = Duration::from_secs(3600);
/// How long one attempt at S3 may take: pieces are megabytes, not items.
const ATTEMPT: Duration = Duration::from_secs(30);

const IMPORTS: Resource = Resource::Objects { name: "imports" };
const EXPORTS: Resource = Resource::Objects { name: "exports" };

/// The key of an import's file. What the request is known by is part of it, so that another request under the same
/// `Idempotency-Key`, which is refused, cannot leave its file in this one's place.
fn import_key(import: &Import) -> String {
    format!("imports/{}-{}", import.id, import.fingerprint)
}

/// The key of an export's file.
fn export_key(id: &ExportId) -> String {
    format!("exports/{id}")
}

#[derive(Clone)]
struct Bucket {
    client: Client,
    /// Makes the addresses that are handed out.
    signer: Client,
    name: String,
}

impl Bucket {
    fn connect(platform: &Platform) -> Self {
        let config = platform.config();
        let timeouts = TimeoutConfig::builder().operation_attempt_timeout(ATTEMPT).build();
        let builder = || {
            // S3's own checksums travel in trailers that only its own servers need: TLS has one too.
            Builder::from(platform.sdk())
                .timeout_config(timeouts.clone())
                .force_path_style(config.endpoint_url.is_some() || config.files_url.is_some())
                .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
                .response_checksum_validation(ResponseChecksumValidation::WhenRequired)
        };
        let outside = match &config.files_url {
            Some(url) => builder().endpoint_url(url),
            None => builder(),
        };
        let (client, signer) = (Client::from_conf(builder().build()), Client::from_conf(outside.build()));
        Self { client, signer, name: config.files.clone() }
    }

    async fn size(&self, key: String) -> Result<Option<u64>, DataError> {
        match self.client.head_object().bucket(&self.name).key(key).send().await {
            Ok(head) => Ok(head.content_length.and_then(|bytes| u64::try_from(bytes).ok())),
            // Whoever may not list a bucket is told 403 of what is not there.
            Err(SdkError::ServiceError(failure)) if matches!(failure.raw().status().as_u16(), 403 | 404) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn life() -> Result<PresigningConfig, DataError> {
    PresigningConfig::expires_in(ADDRESS_LIFE).map_err(|error| DataError::Invalid(error.to_string()))
}

macro_rules! bucket {
    ($(#[$doc:meta])* $name:ident $resource:ident $actions:expr) => {
        $(#[$doc])*
        #[derive(Clone)]
        pub struct $name(Bucket);

        impl Capability for $name {
            fn grants() -> Vec<Grant> {
                vec![Grant::new(&$actions, $resource)]
            }

            fn connect(platform: &Platform) -> Result<Self, ConfigError> {
                Ok(Self(Bucket::connect(platform)))
            }
        }
    };
}

bucket!(
    /// Puts the files of imports there, or lets whoever has an address do so.
    PutImport IMPORTS ["s3:PutObject"]
);
bucket!(
    /// Reads the files of imports.
    ReadImport IMPORTS ["s3:GetObject"]
);
bucket!(
    /// Writes the files of exports, part by part.
    WriteExport EXPORTS ["s3:GetObject", "s3:PutObject"]
);
bucket!(
    /// Hands out addresses to download exports from.
    ShareExport EXPORTS ["s3:GetObject"]
);

impl PutImport {
    /// Puts a whole file there.
    pub async fn put(&self, import: &Import, body: Vec<u8>) -> Result<(), DataError> {
        let Bucket { client, name, .. } = &self.0;
        client.put_object().bucket(name).key(import_key(import)).body(ByteStream::from(body)).send().await?;
        Ok(())
    }

    /// An address to which a file of any size may be put.
    pub async fn address(&self, import: &Import) -> Result<String, DataError> {
        let Bucket { signer, name, .. } = &self.0;
        let put = signer.put_object().bucket(name).key(import_key(import)).presigned(life()?).await?;
        Ok(put.uri().to_owned())
    }
}

impl ReadImport {
    /// How large a file is; `None` when it is not there.
    pub async fn size(&self, import: &Import) -> Result<Option<u64>, DataError> {
        self.0.size(import_key(import)).await
    }

    /// A piece of a file: at most `length` bytes from a byte on that it has.
    pub fn piece<'a>(
        &'a self,
        import: &'a Import,
        from: u64,
        length: u64,
    ) -> BoxFuture<'a, Result<Vec<u8>, DataError>> {
        Box::pin(async move {
            let Bucket { client, name, .. } = &self.0;
            let range = format!("bytes={from}-{}", from + length - 1);
            let piece = client.get_object().bucket(name).key(import_key(import)).range(range).send().await?;
            let bytes = piece.body.collect().await.map_err(|error| DataError::Busy(error.to_string()))?;
            Ok(bytes.to_vec())
        })
    }
}

/// A part of an export's file that is there.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Part {
    number: i32,
    tag: String,
}

impl WriteExport {
    /// Begins a file; gives what its parts are put by.
    pub async fn begin(&self, id: &ExportId, kind: &str) -> Result<String, DataError> {
        let Bucket { client, name, .. } = &self.0;
        let begun = client.create_multipart_upload().bucket(name).key(export_key(id)).content_type(kind).send().await?;
        begun.upload_id.ok_or_else(|| DataError::Corrupt("an upload without an id".into()))
    }

    /// Puts a part; the same number again replaces it.
    pub async fn part(&self, id: &ExportId, upload: &str, number: i32, body: Vec<u8>) -> Result<Part, DataError> {
        let Bucket { client, name, .. } = &self.0;
        let put = client.upload_part().bucket(name).key(export_key(id)).upload_id(upload).part_number(number);
        let put = put.body(ByteStream::from(body)).send().await?;
        Ok(Part { number, tag: put.e_tag.unwrap_or_default() })
    }

    /// Ends the file. Ended before, it is there: that is as good.
    pub async fn end(&self, id: &ExportId, upload: &str, parts: &[Part]) -> Result<(), DataError> {
        let Bucket { client, name, .. } = &self.0;
        let named = parts.iter().map(|part| CompletedPart::builder().part_number(part.number).e_tag(&part.tag).build());
        let all = CompletedMultipartUpload::builder().set_parts(Some(named.collect())).build();
        let end = client.complete_multipart_upload().bucket(name).key(export_key(id)).upload_id(upload);
        match end.multipart_upload(all).send().await {
            Ok(_) => Ok(()),
            Err(error) => match self.0.size(export_key(id)).await? {
                Some(_) => Ok(()),
                None => Err(error.into()),
            },
        }
    }
}

impl ShareExport {
    /// An address from which the file may be read.
    pub async fn address(&self, id: &ExportId, file: &str) -> Result<String, DataError> {
        let Bucket { signer, name, .. } = &self.0;
        let get = signer.get_object().bucket(name).key(export_key(id));
        let get = get.response_content_disposition(format!("attachment; filename=\"{file}\""));
        Ok(get.presigned(life()?).await?.uri().to_owned())
    }
}
