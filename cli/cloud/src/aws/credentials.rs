//! AWS profiles and credentials. Providers are tried in the order of the AWS CLI. Errors say which
//! credentials are missing or invalid, and how to fix that.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use aws_config::ecs::EcsCredentialsProvider;
use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::profile::{Profile, ProfileFileCredentialsProvider, ProfileSet};
use aws_config::provider_config::ProviderConfig;
use aws_config::web_identity_token::{StaticConfiguration, WebIdentityTokenCredentialsProvider};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use hitctl_engine::{Fault, FaultKind};
use hitctl_resources::aws::describe_error;

use super::services::env_value;

/// The time limit of one request to the EC2 instance metadata service. Nothing responds on machines outside
/// EC2.
const METADATA_TIMEOUT: Duration = Duration::from_secs(1);
/// The maximum length of a chain of profiles that refer to one another.
const MAX_CHAIN: usize = 10;

/// The profiles of this machine, and the selected one.
#[derive(Debug)]
pub(super) struct AwsProfiles {
    profile_set: ProfileSet,
    /// The name of the selected profile.
    pub(super) name: String,
    /// Whether a flag named the profile. If so, credentials in the environment are ignored, as in the AWS
    /// CLI.
    is_explicit: bool,
}

impl AwsProfiles {
    /// Reads the config files.
    ///
    /// # Errors
    ///
    /// `unknown_profile` if a requested profile does not exist; the hint lists the existing ones.
    pub(super) async fn load(env: &BTreeMap<String, String>, flag: Option<&str>) -> Result<Self, Fault> {
        let flag = flag.filter(|name| !name.is_empty());
        let requested = flag.or_else(|| env_value(env, &["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]));
        let name = requested.unwrap_or("default").to_owned();
        check_encoding(env)?;
        let profile_set = profile_set(env, &name).await.map_err(|error| {
            Fault::fatal("bad_aws_config", "failed to read the AWS config files")
                .caused_by(describe_error(&error))
                .hinted("correct the file, or set AWS_CONFIG_FILE or AWS_SHARED_CREDENTIALS_FILE to another")
                .of_kind(FaultKind::Credentials)
        })?;
        let profiles = Self { profile_set, name, is_explicit: flag.is_some() };
        if requested.is_some() && profiles.profile_set.get_profile(&profiles.name).is_none() {
            return Err(profiles.unknown_profile());
        }
        Ok(profiles)
    }

    fn unknown_profile(&self) -> Fault {
        let hint = match sorted_list(self.profile_set.profiles()) {
            existing if existing.is_empty() => "run `aws configure sso` to create one".to_owned(),
            existing => format!("use an existing profile: {existing}"),
        };
        Fault::fatal("unknown_profile", format!("the AWS profile {:?} does not exist", self.name))
            .of_kind(FaultKind::Credentials)
            .hinted(hint)
    }

    /// Returns a setting of the selected profile.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.profile_set.get(key)
    }

    /// Returns the sign-in that provides the credentials: that of the selected profile, or of a profile in
    /// its chain.
    fn sign_in(&self) -> Option<SignIn<'_>> {
        self.chain().find_map(|profile| {
            let is_sso = profile.get("sso_session").or_else(|| profile.get("sso_start_url")).is_some();
            let command = match profile.get("login_session") {
                _ if is_sso => "aws sso login",
                Some(_) => "aws login",
                None => return None,
            };
            Some(SignIn { profile: profile.name(), command })
        })
    }

    /// Iterates over the selected profile and the profiles to which it refers by `source_profile`, directly or
    /// indirectly. The chain ends before a profile that does not exist.
    fn chain(&self) -> impl Iterator<Item = &Profile> {
        let next = |profile: &&Profile| {
            let source = profile.get("source_profile").filter(|_| profile.get("role_arn").is_some())?;
            self.profile_set.get_profile(source).filter(|source| source.name() != profile.name())
        };
        // Profiles can form a cycle.
        std::iter::successors(self.profile_set.get_profile(&self.name), next).take(MAX_CHAIN)
    }

    /// Fails if a profile in the chain refers to a profile or an SSO session that does not exist.
    fn check_references(&self) -> Result<(), Fault> {
        for profile in self.chain() {
            let source = profile.get("source_profile").filter(|_| profile.get("role_arn").is_some());
            if let Some(source) = source.filter(|source| self.profile_set.get_profile(source).is_none()) {
                let message =
                    format!("the source profile {source} of profile {} does not exist", profile.name());
                let existing = sorted_list(self.profile_set.profiles());
                return Err(bad_config(
                    message,
                    format!("correct `source_profile`; existing profiles: {existing}"),
                ));
            }
            if let Some(session) =
                profile.get("sso_session").filter(|name| self.profile_set.sso_session(name).is_none())
            {
                let message =
                    format!("the SSO session {session} of profile {} does not exist", profile.name());
                let hint = match sorted_list(self.profile_set.sso_sessions()) {
                    existing if existing.is_empty() => {
                        format!(
                            "run `aws configure sso-session` to add the section `[sso-session {session}]`"
                        )
                    }
                    existing => format!(
                        "correct `sso_session`, or add the section `[sso-session {session}]`; existing sessions: {existing}"
                    ),
                };
                return Err(bad_config(message, hint));
            }
        }
        Ok(())
    }
}

/// Reads the config files and selects a profile. The process environment has no effect: every file has a path without
/// `~`, and the profile is named.
async fn profile_set(
    env: &BTreeMap<String, String>,
    name: &str,
) -> Result<ProfileSet, aws_config::profile::ProfileFileLoadError> {
    let name = Some(Cow::Owned(name.to_owned()));
    aws_config::profile::load(&<_>::default(), &<_>::default(), &profile_files(env), name).await
}

/// Returns the names of the profiles in the config files, sorted; none if the files cannot be read.
pub async fn profile_names(env: &BTreeMap<String, String>) -> Vec<String> {
    let set = profile_set(env, "default").await;
    let mut names: Vec<String> = set.iter().flat_map(ProfileSet::profiles).map(str::to_owned).collect();
    names.sort_unstable();
    names
}

/// A sign-in that provides credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SignIn<'a> {
    /// The profile that is signed in.
    profile: &'a str,
    /// The command that renews the sign-in, without the `--profile` argument.
    command: &'static str,
}

impl SignIn<'_> {
    fn hint(self) -> String {
        format!("run `{} --profile {}`", self.command, self.profile)
    }
}

fn sorted_list<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.join(", ")
}

fn bad_config(message: String, hint: String) -> Fault {
    Fault::fatal("bad_aws_config", message).hinted(hint).of_kind(FaultKind::Credentials)
}

/// Fails if a config file is not UTF-8: the SDK treats such a file as empty.
fn check_encoding(env: &BTreeMap<String, String>) -> Result<(), Fault> {
    for (_, path) in config_file_paths(env) {
        // The SDK reports files that cannot be read.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        if let Err(error) = std::str::from_utf8(&bytes) {
            let text_before = &bytes[..error.valid_up_to()];
            let line = text_before.split(|byte| *byte == b'\n').count();
            let message = format!("expected UTF-8 in {path}, found other bytes in line {line}");
            return Err(bad_config(message, "save the file as UTF-8".to_owned()));
        }
    }
    Ok(())
}

/// The access key that will sign the calls, as far as it is known before any request is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessKey<'a> {
    /// The ID of an access key from the environment or the profile.
    Static(&'a str),
    /// A temporary access key, provided by a sign-in, a role or a program.
    Temporary,
    /// No access key is configured. An EC2 instance may still provide one.
    None,
}

impl<'a> AccessKey<'a> {
    /// Determines the access key in the same order as [`provider`].
    pub(super) fn resolve(env: &'a BTreeMap<String, String>, profiles: &'a AwsProfiles) -> Self {
        /// The settings with which a profile requests temporary credentials.
        const TEMPORARY: [&str; 6] = [
            "role_arn",
            "sso_session",
            "sso_start_url",
            "credential_process",
            "web_identity_token_file",
            "login_session",
        ];
        if !profiles.is_explicit && env_credentials(env).is_some() {
            return env_value(env, &["AWS_ACCESS_KEY_ID"]).map_or(Self::None, Self::Static);
        }
        if TEMPORARY.iter().any(|key| profiles.get(key).is_some()) {
            return Self::Temporary;
        }
        if let Some(id) = profiles.get("aws_access_key_id") {
            return Self::Static(id);
        }
        let variables = [
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ];
        if !profiles.is_explicit && env_value(env, &variables).is_some() {
            Self::Temporary
        } else {
            Self::None
        }
    }
}

/// Returns the paths of the config file and the credentials file. They follow the given environment, not that
/// of the process.
#[expect(deprecated, reason = "the replacement type is in `aws-runtime`, which is not a direct dependency")]
fn config_file_paths(
    env: &BTreeMap<String, String>,
) -> [(aws_config::profile::profile_file::ProfileFileKind, String); 2] {
    use aws_config::profile::profile_file::ProfileFileKind;
    // A relative path would resolve in the working directory, which may belong to another user.
    let home = env_value(env, &["HOME", "USERPROFILE"]).filter(|home| Path::new(home).is_absolute());
    let home = home.unwrap_or("/nonexistent");
    let file = |variable: &str, name: &str| {
        let path = env_value(env, &[variable]).map_or_else(|| format!("{home}/.aws/{name}"), str::to_owned);
        match path.strip_prefix("~/") {
            Some(rest) => format!("{home}/{rest}"),
            None => path,
        }
    };
    [
        (ProfileFileKind::Config, file("AWS_CONFIG_FILE", "config")),
        (ProfileFileKind::Credentials, file("AWS_SHARED_CREDENTIALS_FILE", "credentials")),
    ]
}

/// Returns the config files for the SDK.
#[expect(deprecated, reason = "the replacement type is in `aws-runtime`, which is not a direct dependency")]
pub(super) fn profile_files(
    env: &BTreeMap<String, String>,
) -> aws_config::profile::profile_file::ProfileFiles {
    // A missing file is replaced by an empty one; the SDK would report an error.
    config_file_paths(env)
        .into_iter()
        .fold(aws_config::profile::profile_file::ProfileFiles::builder(), |builder, (kind, path)| {
            if Path::new(&path).exists() {
                builder.with_file(kind, path)
            } else {
                builder.with_contents(kind, "")
            }
        })
        .build()
}

/// Returns the chain of credential providers. The EC2 instance metadata service is tried last, and never for
/// a local emulator.
pub(super) fn provider(
    env: &BTreeMap<String, String>,
    profiles: &AwsProfiles,
    config: &ProviderConfig,
    is_emulator: bool,
) -> SharedCredentialsProvider {
    let profile = ProfileFileCredentialsProvider::builder()
        .configure(config)
        .profile_files(profile_files(env))
        .profile_name(profiles.name.clone())
        .build();
    if profiles.is_explicit {
        return SharedCredentialsProvider::new(profile);
    }
    let mut chain = match env_credentials(env) {
        Some(credentials) => {
            CredentialsProviderChain::first_try("environment", credentials).or_else("profile", profile)
        }
        None => CredentialsProviderChain::first_try("profile", profile),
    };
    if let (Some(file), Some(role)) =
        (env_value(env, &["AWS_WEB_IDENTITY_TOKEN_FILE"]), env_value(env, &["AWS_ROLE_ARN"]))
    {
        let web_identity = WebIdentityTokenCredentialsProvider::builder()
            .configure(config)
            .static_configuration(StaticConfiguration {
                web_identity_token_file: file.into(),
                role_arn: role.to_owned(),
                session_name: env_value(env, &["AWS_ROLE_SESSION_NAME"]).unwrap_or("hitctl").to_owned(),
            })
            .build();
        chain = chain.or_else("web identity", web_identity);
    }
    if env_value(env, &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"])
        .is_some()
    {
        chain = chain.or_else("container", EcsCredentialsProvider::builder().configure(config).build());
    }
    let is_disabled = env_value(env, &["AWS_EC2_METADATA_DISABLED"])
        .is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !is_disabled && !is_emulator {
        let client = imds::Client::builder()
            .configure(config)
            .max_attempts(1)
            .connect_timeout(METADATA_TIMEOUT)
            .read_timeout(METADATA_TIMEOUT)
            .build();
        let instance = ImdsCredentialsProvider::builder().configure(config).imds_client(client).build();
        chain = chain.or_else("EC2 instance", instance);
    }
    SharedCredentialsProvider::new(chain)
}

/// Fails if a profile refers to a missing profile or SSO session, or if a key contains characters that
/// cannot be sent, such as a line break within a pasted key.
pub(super) fn check(env: &BTreeMap<String, String>, profiles: &AwsProfiles) -> Result<(), Fault> {
    if !uses_env_credentials(env, profiles) {
        profiles.check_references()?;
    }
    let variables = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    let settings = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
    let in_env = variables.iter().filter_map(|name| Some(((*name).to_owned(), env_value(env, &[name])?)));
    let in_profile = settings
        .iter()
        .filter_map(|name| Some((format!("{name} of profile {}", profiles.name), profiles.get(name)?)));
    let mut all = in_env.filter(|_| !profiles.is_explicit).chain(in_profile);
    match all.find(|(_, value)| value.trim().chars().any(|c| c.is_control() || !c.is_ascii())) {
        Some((name, _)) => Err(Fault::fatal(
            "bad_credentials",
            format!("expected printable ASCII characters in {name}, found others"),
        )
        .hinted("copy the complete key again, without line breaks")
        .of_kind(FaultKind::Credentials)),
        None => Ok(()),
    }
}

/// Returns the access key that the environment variables hold.
fn env_credentials(env: &BTreeMap<String, String>) -> Option<Credentials> {
    let id = env_value(env, &["AWS_ACCESS_KEY_ID"])?;
    let secret = env_value(env, &["AWS_SECRET_ACCESS_KEY"])?;
    let token = env_value(env, &["AWS_SESSION_TOKEN"]).map(str::to_owned);
    Some(Credentials::new(id, secret, token, None, "environment"))
}

/// Whether the credentials come from environment variables.
pub(super) fn uses_env_credentials(env: &BTreeMap<String, String>, profiles: &AwsProfiles) -> bool {
    !profiles.is_explicit && env_credentials(env).is_some()
}

/// Returns the hint for expired credentials.
pub(super) fn renewal_hint(env: &BTreeMap<String, String>, profiles: &AwsProfiles) -> String {
    if uses_env_credentials(env, profiles) {
        return "get new credentials and export them again: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN"
            .to_owned();
    }
    match profiles.sign_in() {
        Some(sign_in) => sign_in.hint(),
        None => format!("renew the credentials of profile {}, then run the command again", profiles.name),
    }
}

/// Returns the fault for credentials that could not be loaded.
pub(super) fn load_fault(error: &CredentialsError, profiles: &AwsProfiles, endpoint: Option<&str>) -> Fault {
    let cause = describe_error(error);
    let failure = match (error, profiles.sign_in()) {
        (CredentialsError::CredentialsNotLoaded(_), None) => return no_credentials(profiles, endpoint),
        (CredentialsError::ProviderTimedOut(_), _) => {
            Fault::fatal("credentials_timeout", "failed to load AWS credentials: timed out")
                .hinted("run the command again; if your `credential_process` prompts for input, answer it")
        }
        (CredentialsError::InvalidConfiguration(_), _) => {
            Fault::fatal("bad_aws_config", format!("profile {} is not valid", profiles.name))
                .hinted("correct the profile; `aws configure list` shows the source of each setting")
        }
        (_, Some(sign_in)) => Fault::fatal(
            "sso_expired",
            format!("the sign-in of profile {} is missing or has expired", sign_in.profile),
        )
        .hinted(sign_in.hint()),
        _ => Fault::fatal(
            "credentials",
            format!("failed to load the credentials of profile {}", profiles.name),
        )
        .hinted(format!(
            "run `aws sts get-caller-identity --profile {}` to check the profile",
            profiles.name
        )),
    };
    failure.caused_by(cause).of_kind(FaultKind::Credentials)
}

/// Returns the fault for the case that no credentials are configured.
fn no_credentials(profiles: &AwsProfiles, endpoint: Option<&str>) -> Fault {
    let failure = if profiles.is_explicit {
        Fault::fatal("no_credentials", format!("profile {} has no credentials", profiles.name))
    } else {
        Fault::fatal("no_credentials", "no AWS credentials found")
    };
    let hint = match endpoint {
        Some(endpoint) => format!(
            "for an emulator such as the one at {endpoint}, run `export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test`"
        ),
        None => "run `aws configure sso` and pass `--profile NAME`; or `export AWS_ACCESS_KEY_ID=.. AWS_SECRET_ACCESS_KEY=..`; \
                 or in CI, use a web identity role (AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE)"
            .to_owned(),
    };
    failure.hinted(hint).of_kind(FaultKind::Credentials)
}
