//! Where credentials come from, in the order of AWS's own tools, and what is said when there are none that work.

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
use hitctl_resources::aws::error_in_words;

use super::services::set;

/// How long one question to the metadata service of an EC2 machine may take; elsewhere nothing answers there.
const METADATA: Duration = Duration::from_secs(1);
/// The most profiles that build on one another.
const MAX_CHAIN: usize = 10;

/// The profiles of this machine, and the one in force.
#[derive(Debug)]
pub(super) struct Profiles {
    set: ProfileSet,
    /// The name of the one in force.
    pub(super) name: String,
    /// Whether a flag named it: then credentials of the environment do not count, as with the AWS command line.
    explicit: bool,
}

impl Profiles {
    /// Reads the config files. A profile that was asked for and is not there is an error that names those that are.
    pub(super) async fn load(env: &BTreeMap<String, String>, flag: Option<&str>) -> Result<Self, Fault> {
        let flag = flag.filter(|name| !name.is_empty());
        let asked = flag.or_else(|| set(env, &["AWS_PROFILE", "AWS_DEFAULT_PROFILE"]));
        let name = asked.unwrap_or("default").to_owned();
        check_encoding(env)?;
        // The environment of the process is of no effect: each file has a path without `~`, and the profile is named.
        let set = aws_config::profile::load(
            &<_>::default(),
            &<_>::default(),
            &files(env),
            Some(Cow::Owned(name.clone())),
        )
        .await
        .map_err(|error| {
            Fault::fatal("bad_aws_config", "the AWS config files cannot be read")
                .caused_by(error_in_words(&error))
                .hinted("mend the file; AWS_CONFIG_FILE and AWS_SHARED_CREDENTIALS_FILE name others")
                .of_kind(FaultKind::Credentials)
        })?;
        let profiles = Self { set, name, explicit: flag.is_some() };
        if asked.is_some() && profiles.set.get_profile(&profiles.name).is_none() {
            return Err(profiles.unknown());
        }
        Ok(profiles)
    }

    fn unknown(&self) -> Fault {
        let hint = match listed(self.set.profiles()) {
            known if known.is_empty() => "`aws configure sso` makes one".to_owned(),
            known => format!("there are: {known}"),
        };
        Fault::fatal("unknown_profile", format!("there is no AWS profile {:?}", self.name))
            .of_kind(FaultKind::Credentials)
            .hinted(hint)
    }

    /// A setting of the profile in force.
    pub(super) fn get(&self, key: &str) -> Option<&str> {
        self.set.get(key)
    }

    /// The profile whose sign-in gives the credentials, that in force or one that it builds on, and the command that signs in.
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

    /// The profile in force, then those that each builds on by `source_profile`, as far as they exist.
    fn chain(&self) -> impl Iterator<Item = &Profile> {
        let next = |profile: &&Profile| {
            let source = profile.get("source_profile").filter(|_| profile.get("role_arn").is_some())?;
            self.set.get_profile(source).filter(|source| source.name() != profile.name())
        };
        // Profiles can name one another in a circle.
        std::iter::successors(self.set.get_profile(&self.name), next).take(MAX_CHAIN)
    }

    /// Refuses profiles that build on what the config files do not have.
    fn check_references(&self) -> Result<(), Fault> {
        for profile in self.chain() {
            let source = profile.get("source_profile").filter(|_| profile.get("role_arn").is_some());
            if let Some(source) = source.filter(|source| self.set.get_profile(source).is_none()) {
                let message = format!(
                    "profile {} builds on the profile {source}, which does not exist",
                    profile.name()
                );
                let known = listed(self.set.profiles());
                return Err(bad_config(message, format!("correct `source_profile`; there are: {known}")));
            }
            if let Some(session) =
                profile.get("sso_session").filter(|name| self.set.sso_session(name).is_none())
            {
                let message = format!(
                    "profile {} names the SSO session {session}, which does not exist",
                    profile.name()
                );
                let hint = match listed(self.set.sso_sessions()) {
                    known if known.is_empty() => {
                        format!("add the section `[sso-session {session}]`: `aws configure sso-session`")
                    }
                    known => format!(
                        "correct `sso_session`, or add the section `[sso-session {session}]`; there are: {known}"
                    ),
                };
                return Err(bad_config(message, hint));
            }
        }
        Ok(())
    }
}

/// A sign-in that gives credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct SignIn<'a> {
    /// The profile that has it.
    profile: &'a str,
    /// The command that renews it, without the profile.
    command: &'static str,
}

impl SignIn<'_> {
    fn hint(self) -> String {
        format!("run `{} --profile {}`", self.command, self.profile)
    }
}

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.collect();
    names.sort_unstable();
    names.join(", ")
}

fn bad_config(message: String, hint: String) -> Fault {
    Fault::fatal("bad_aws_config", message).hinted(hint).of_kind(FaultKind::Credentials)
}

/// Refuses config files that are not UTF-8: the SDK takes such a file for an empty one.
fn check_encoding(env: &BTreeMap<String, String>) -> Result<(), Fault> {
    for (_, path) in paths(env) {
        // What cannot be read is the SDK's to report.
        let Ok(bytes) = std::fs::read(&path) else { continue };
        if let Err(error) = std::str::from_utf8(&bytes) {
            let before = &bytes[..error.valid_up_to()];
            let line = before.split(|byte| *byte == b'\n').count();
            let message = format!("expected UTF-8 in {path}, found other bytes in line {line}");
            return Err(bad_config(
                message,
                "save the file as UTF-8, without a UTF-16 or Latin-1 encoding".to_owned(),
            ));
        }
    }
    Ok(())
}

/// The access key that calls will be signed with, as far as it is known before anything is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum AccessKey<'a> {
    /// The id of one that stands in the environment or in the profile.
    Static(&'a str),
    /// One that is given for a while: by a sign-in, a role, a program.
    Temporary,
    /// None is configured. The machine itself may have one, if it is on AWS.
    None,
}

impl<'a> AccessKey<'a> {
    /// Looks where the provider of [`provider`] will look, in the same order.
    pub(super) fn of(env: &'a BTreeMap<String, String>, profiles: &'a Profiles) -> Self {
        /// Settings with which a profile asks for temporary credentials.
        const TEMPORARY: [&str; 6] = [
            "role_arn",
            "sso_session",
            "sso_start_url",
            "credential_process",
            "web_identity_token_file",
            "login_session",
        ];
        if !profiles.explicit && keys(env).is_some() {
            return set(env, &["AWS_ACCESS_KEY_ID"]).map_or(Self::None, Self::Static);
        }
        if TEMPORARY.iter().any(|key| profiles.get(key).is_some()) {
            return Self::Temporary;
        }
        if let Some(id) = profiles.get("aws_access_key_id") {
            return Self::Static(id);
        }
        let elsewhere = [
            "AWS_WEB_IDENTITY_TOKEN_FILE",
            "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
        ];
        if !profiles.explicit && set(env, &elsewhere).is_some() { Self::Temporary } else { Self::None }
    }
}

/// The paths of the config and the credentials file, by the given environment and not by that of the process.
#[expect(deprecated, reason = "the new name of the type is in a crate that only this line would need")]
fn paths(
    env: &BTreeMap<String, String>,
) -> [(aws_config::profile::profile_file::ProfileFileKind, String); 2] {
    use aws_config::profile::profile_file::ProfileFileKind;
    // A relative one would lead into the working directory, which may be anybody's.
    let home = set(env, &["HOME", "USERPROFILE"]).filter(|home| Path::new(home).is_absolute());
    let home = home.unwrap_or("/nonexistent");
    let file = |variable: &str, name: &str| {
        let path = set(env, &[variable]).map_or_else(|| format!("{home}/.aws/{name}"), str::to_owned);
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

/// The config files.
#[expect(deprecated, reason = "the new name of the type is in a crate that only this line would need")]
pub(super) fn files(env: &BTreeMap<String, String>) -> aws_config::profile::profile_file::ProfileFiles {
    // A file that is not there is an empty one, and not the SDK's error.
    paths(env)
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

/// Everything that may give credentials, in order. The metadata service of a machine on AWS is asked last, and not at all
/// for an emulator on this one.
pub(super) fn provider(
    env: &BTreeMap<String, String>,
    profiles: &Profiles,
    config: &ProviderConfig,
    emulated: bool,
) -> SharedCredentialsProvider {
    let profile = ProfileFileCredentialsProvider::builder()
        .configure(config)
        .profile_files(files(env))
        .profile_name(profiles.name.clone())
        .build();
    if profiles.explicit {
        return SharedCredentialsProvider::new(profile);
    }
    let mut chain = match keys(env) {
        Some(keys) => CredentialsProviderChain::first_try("environment", keys).or_else("profile", profile),
        None => CredentialsProviderChain::first_try("profile", profile),
    };
    if let (Some(file), Some(role)) =
        (set(env, &["AWS_WEB_IDENTITY_TOKEN_FILE"]), set(env, &["AWS_ROLE_ARN"]))
    {
        let web = WebIdentityTokenCredentialsProvider::builder()
            .configure(config)
            .static_configuration(StaticConfiguration {
                web_identity_token_file: file.into(),
                role_arn: role.to_owned(),
                session_name: set(env, &["AWS_ROLE_SESSION_NAME"]).unwrap_or("hitctl").to_owned(),
            })
            .build();
        chain = chain.or_else("web identity", web);
    }
    if set(env, &["AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI"]).is_some() {
        chain = chain.or_else("container", EcsCredentialsProvider::builder().configure(config).build());
    }
    let off =
        set(env, &["AWS_EC2_METADATA_DISABLED"]).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    if !off && !emulated {
        let client = imds::Client::builder()
            .configure(config)
            .max_attempts(1)
            .connect_timeout(METADATA)
            .read_timeout(METADATA)
            .build();
        let machine = ImdsCredentialsProvider::builder().configure(config).imds_client(client).build();
        chain = chain.or_else("EC2 instance", machine);
    }
    SharedCredentialsProvider::new(chain)
}

/// Refuses profiles that build on what does not exist, and keys with characters that no request can carry, such as a line end
/// in the middle of one that was pasted.
pub(super) fn check(env: &BTreeMap<String, String>, profiles: &Profiles) -> Result<(), Fault> {
    if !from_environment(env, profiles) {
        profiles.check_references()?;
    }
    let variables = ["AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"];
    let settings = ["aws_access_key_id", "aws_secret_access_key", "aws_session_token"];
    let in_env = variables.iter().filter_map(|name| Some(((*name).to_owned(), set(env, &[name])?)));
    let in_profile = settings
        .iter()
        .filter_map(|name| Some((format!("{name} of profile {}", profiles.name), profiles.get(name)?)));
    let mut all = in_env.filter(|_| !profiles.explicit).chain(in_profile);
    match all.find(|(_, value)| value.trim().chars().any(|c| c.is_control() || !c.is_ascii())) {
        Some((name, _)) => Err(Fault::fatal(
            "bad_credentials",
            format!("expected printable ASCII characters in {name}, found others"),
        )
        .hinted("copy the key anew, whole and without line ends")
        .of_kind(FaultKind::Credentials)),
        None => Ok(()),
    }
}

/// Credentials that stand in the environment itself.
fn keys(env: &BTreeMap<String, String>) -> Option<Credentials> {
    let id = set(env, &["AWS_ACCESS_KEY_ID"])?;
    let secret = set(env, &["AWS_SECRET_ACCESS_KEY"])?;
    let token = set(env, &["AWS_SESSION_TOKEN"]).map(str::to_owned);
    Some(Credentials::new(id, secret, token, None, "environment"))
}

/// Whether the credentials are those of the environment.
pub(super) fn from_environment(env: &BTreeMap<String, String>, profiles: &Profiles) -> bool {
    !profiles.explicit && keys(env).is_some()
}

/// What to do about credentials that have ended.
pub(super) fn renewal(env: &BTreeMap<String, String>, profiles: &Profiles) -> String {
    if from_environment(env, profiles) {
        return "get new credentials and export them again: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN"
            .to_owned();
    }
    match profiles.sign_in() {
        Some(sign_in) => sign_in.hint(),
        None => format!("renew the credentials of profile {}, then run the command again", profiles.name),
    }
}

/// What is said where no credentials could be had.
pub(super) fn failed(error: &CredentialsError, profiles: &Profiles, endpoint: Option<&str>) -> Fault {
    let cause = error_in_words(error);
    let failure = match (error, profiles.sign_in()) {
        (CredentialsError::CredentialsNotLoaded(_), None) => return none(profiles, endpoint),
        (CredentialsError::ProviderTimedOut(_), _) => Fault::fatal(
            "credentials_timeout",
            "nothing gave credentials in time",
        )
        .hinted(
            "run the command again; a `credential_process` that asks for something has to be answered first",
        ),
        (CredentialsError::InvalidConfiguration(_), _) => {
            Fault::fatal("bad_aws_config", format!("profile {} cannot be used", profiles.name))
                .hinted("correct the profile: `aws configure list` shows where its settings come from")
        }
        (_, Some(sign_in)) => Fault::fatal(
            "sso_expired",
            format!("the sign-in of profile {} is missing or has expired", sign_in.profile),
        )
        .hinted(sign_in.hint()),
        _ => Fault::fatal("credentials", format!("profile {} gives no credentials", profiles.name))
            .hinted(format!("`aws sts get-caller-identity --profile {}` should work first", profiles.name)),
    };
    failure.caused_by(cause).of_kind(FaultKind::Credentials)
}

/// No credentials anywhere: the ways there are.
fn none(profiles: &Profiles, endpoint: Option<&str>) -> Fault {
    let failure = if profiles.explicit {
        Fault::fatal("no_credentials", format!("profile {} has no credentials", profiles.name))
    } else {
        Fault::fatal("no_credentials", "there are no AWS credentials")
    };
    let hint = match endpoint {
        Some(endpoint) => format!(
            "an emulator such as that at {endpoint} takes any: `export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test`"
        ),
        None => "one of: `aws configure sso` and `--profile NAME`; `export AWS_ACCESS_KEY_ID=.. AWS_SECRET_ACCESS_KEY=..`; \
                 in CI, a role by web identity (AWS_ROLE_ARN and AWS_WEB_IDENTITY_TOKEN_FILE)"
            .to_owned(),
    };
    failure.hinted(hint).of_kind(FaultKind::Credentials)
}
