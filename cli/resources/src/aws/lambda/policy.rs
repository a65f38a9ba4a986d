//! The policy of a function: who but its owner may call it. Each statement in it is ours by its id.
//!
//! AWS loses statements of one function that are added or removed at the same time, so that everything here that writes
//! takes turns, and looks at what came of it.

mod statement;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::config::retry::RetryConfig;
use aws_sdk_lambda::types::FunctionUrlAuthType;
use hitctl_engine::{Cx, Fault, FaultKind};
use tokio::sync::Mutex;

use crate::aws::account::Aws;
use crate::aws::fault::{Doing, ToFault as _};
use crate::aws::lambda::wait::{CONFLICT, NOT_FOUND, READ, WRITE};
pub(crate) use statement::{Grant, Statement, sole_text};

/// One writer of function policies at a time, in this process.
static TURN: Mutex<()> = Mutex::const_new(());

/// The policy of a function, or of an alias of it: each has one of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Policy<'a> {
    pub(crate) client: &'a Client,
    pub(crate) function: &'a str,
    pub(crate) qualifier: Option<&'a str>,
}

impl Policy<'_> {
    fn qualifier(&self) -> Option<String> {
        self.qualifier.map(str::to_owned)
    }

    fn what(&self) -> String {
        match self.qualifier {
            Some(qualifier) => format!("the policy of function {}:{qualifier}", self.function),
            None => format!("the policy of function {}", self.function),
        }
    }

    /// Its statements; none where there is no policy, or no function.
    pub(crate) async fn read(&self, cx: &Cx) -> Result<Vec<Statement>, Fault> {
        cx.wait(&READ, "reading the function's policy", || self.get()).await
    }

    async fn get(&self) -> Result<Vec<Statement>, Fault> {
        let call = self.client.get_policy().function_name(self.function).set_qualifier(self.qualifier());
        match call.send().await {
            Ok(answer) => {
                let all = Statement::all(answer.policy().unwrap_or_default())?;
                Ok(all.into_iter().filter(|it| it.is_of(self.function, self.qualifier)).collect())
            }
            Err(error) if error.is(NOT_FOUND) => Ok(Vec::new()),
            Err(error) => Err(error.fault(&Doing::new("read", self.what(), "lambda:GetPolicy"))),
        }
    }

    /// Adds what is not in it as wanted, and returns once all is.
    pub(crate) async fn grant(&self, cx: &Cx, grants: &[Grant]) -> Result<(), Fault> {
        let _turn = TURN.lock().await;
        cx.wait(&WRITE, "letting the function be called", || async {
            let there = self.get().await?;
            let missing = absent(grants, &there);
            for grant in &missing {
                if there.iter().any(|statement| statement.grant.sid == grant.sid) {
                    self.remove(&grant.sid).await?;
                }
                self.add(grant).await?;
            }
            if missing.is_empty() {
                return Ok(());
            }
            match absent(grants, &self.get().await?).first() {
                None => Ok(()),
                Some(grant) => {
                    let why = format!("statement {} is not in it yet", grant.sid);
                    Err(Fault::transient("not_in_policy", format!("failed to change {}: {why}", self.what())))
                }
            }
        })
        .await
    }

    /// Exchanges the statement of that grant's id for the grant, in such an order that one of both is always there: the new
    /// one gets the other one of its [`ids`], and then the old one goes.
    pub(crate) async fn exchange(&self, cx: &Cx, grant: &Grant) -> Result<(), Fault> {
        let _turn = TURN.lock().await;
        let [id, other] = ids(&grant.sid);
        let exact = |there: &[Statement]| {
            let of = |sid: &String| Grant { sid: sid.clone(), ..grant.clone() };
            [&id, &other].into_iter().find(|sid| absent(&[of(sid)], there).is_empty()).cloned()
        };
        cx.wait(&WRITE, "letting the function be called", || async {
            let there = self.get().await?;
            let has = |there: &[Statement], sid: &str| there.iter().any(|one| one.grant.sid == sid);
            let kept = if let Some(kept) = exact(&there) {
                kept
            } else {
                let free = if has(&there, &id) { &other } else { &id };
                if has(&there, free) {
                    self.remove(free).await?;
                }
                self.add(&Grant { sid: free.clone(), ..grant.clone() }).await?;
                exact(&self.get().await?).ok_or_else(|| {
                    let why = format!("statement {free} is not in it yet");
                    Fault::transient("not_in_policy", format!("failed to change {}: {why}", self.what()))
                })?
            };
            for old in [&id, &other].into_iter().filter(|sid| **sid != kept && has(&there, sid)) {
                self.remove(old).await?;
            }
            Ok(())
        })
        .await
    }

    /// Removes the statement of that id, and of the other one of its [`ids`].
    pub(crate) async fn revoke_exchanged(&self, cx: &Cx, sid: &str) -> Result<(), Fault> {
        self.revoke(cx, &[sid]).await?;
        let [_, other] = ids(sid);
        let there = self.read(cx).await?;
        if there.iter().any(|statement| statement.grant.sid == other) {
            self.revoke(cx, &[&other]).await?;
        }
        Ok(())
    }

    /// Removes the statements of those ids; what is gone is gone.
    pub(crate) async fn revoke(&self, cx: &Cx, sids: &[&str]) -> Result<(), Fault> {
        let _turn = TURN.lock().await;
        cx.wait(&WRITE, "no longer letting the function be called", || async {
            for sid in sids {
                self.remove(sid).await?;
            }
            Ok(())
        })
        .await
    }

    async fn add(&self, grant: &Grant) -> Result<(), Fault> {
        let call = self
            .client
            .add_permission()
            .function_name(self.function)
            .set_qualifier(self.qualifier())
            .statement_id(&grant.sid)
            .action(&grant.action)
            .principal(&grant.principal)
            .set_source_arn(grant.source_arn.clone())
            .set_source_account(grant.source_account.clone())
            .set_function_url_auth_type(grant.url_auth_type.as_deref().map(FunctionUrlAuthType::from))
            .set_invoked_via_function_url(grant.via_url.then_some(true));
        match call.send().await {
            Ok(_) => Ok(()),
            // Whether it is there as wanted is looked at afterwards.
            Err(error) if error.is(CONFLICT) && error.says("already exist") => Ok(()),
            Err(error) => {
                let fault = error.fault(&Doing::new("add to", self.what(), "lambda:AddPermission"));
                Err(if error.is(NOT_FOUND) { not_visible(fault) } else { fault })
            }
        }
    }

    async fn remove(&self, sid: &str) -> Result<(), Fault> {
        let call = self.client.remove_permission().function_name(self.function).statement_id(sid);
        match call.set_qualifier(self.qualifier()).send().await {
            Ok(_) => Ok(()),
            Err(error) if error.is(NOT_FOUND) => Ok(()),
            Err(error) => {
                Err(error.fault(&Doing::new("remove from", self.what(), "lambda:RemovePermission")))
            }
        }
    }
}

/// Of what was just made, "not found" means that it is not visible everywhere yet.
pub(crate) fn not_visible(fault: Fault) -> Fault {
    Fault { kind: FaultKind::Transient, ..fault }
}

/// A client that leaves all trying again to [`Cx::wait`], which looks at what is there in between.
pub(crate) fn client(aws: &Aws) -> Client {
    let config = aws_sdk_lambda::config::Builder::from(&aws.config).retry_config(RetryConfig::disabled());
    Client::from_conf(config.build())
}

/// The two ids that a statement may have: it is exchanged by adding the new one under the id that is free.
pub(crate) fn ids(sid: &str) -> [String; 2] {
    [sid.to_owned(), format!("{sid}-2")]
}

/// What of it is not there as wanted.
fn absent<'a>(grants: &'a [Grant], there: &[Statement]) -> Vec<&'a Grant> {
    grants.iter().filter(|grant| !there.iter().any(|statement| statement.is_exactly(grant))).collect()
}
