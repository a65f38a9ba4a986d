//! Runs operations of the embedded engine, from their JSON requests to their JSON responses.
//!
//! The engine has its own HTTP server, but that server allows CORS for any origin and ignores the `Host` header. This
//! module calls the engine's operations directly, so that `endpoint` can be stricter.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Matches the name of an operation and calls the engine's method.
macro_rules! operations {
    ($db:ident, $operation:ident, $body:ident; $($name:literal => $method:ident),* $(,)?) => {
        match $operation {
            $($name => Some(to_response(parse($body).and_then(|request| $db.$method(request)), $operation)),)*
            _ => None,
        }
    };
}

/// The response of an operation, with the cause if the file could not be written.
pub(super) struct DispatchResponse {
    pub(super) status: u16,
    /// The body, in JSON.
    pub(super) body: String,
    pub(super) write_error: Option<String>,
}

/// Runs one operation. Returns `None` if its name is unknown.
pub(super) fn run(db: &Database, operation: &str, body: &[u8]) -> Option<DispatchResponse> {
    operations! { db, operation, body;
        "UpdateItem" => update_item,
        "GetItem" => get_item,
        "PutItem" => put_item,
        "DeleteItem" => delete_item,
        "Query" => query,
        "Scan" => scan,
        "BatchGetItem" => batch_get_item,
        "BatchWriteItem" => batch_write_item,
        "TransactGetItems" => transact_get_items,
        "TransactWriteItems" => transact_write_items,
        "CreateTable" => create_table,
        "DescribeTable" => describe_table,
        "UpdateTable" => update_table,
        "DeleteTable" => delete_table,
        "ListTables" => list_tables,
        "TagResource" => tag_resource,
        "UntagResource" => untag_resource,
        "ListTagsOfResource" => list_tags_of_resource,
        "DescribeTimeToLive" => describe_time_to_live,
        "UpdateTimeToLive" => update_time_to_live,
        "ExecuteStatement" => execute_statement,
        "BatchExecuteStatement" => batch_execute_statement,
        "ExecuteTransaction" => execute_transaction,
    }
}

/// Parses a request. The engine encodes the kind of an error as a prefix of its text.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        let validation_prefixes = ["VALIDATION_REQUEST:", "VALIDATION_AS_READ:", "VALIDATION:"];
        let serialization_prefixes = ["SERIALIZATION_AS_READ:", "SERIALIZATION:"];
        if let Some(text) = validation_prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
            return DynoxideError::ValidationException(text.to_owned());
        }
        if let Some(text) = serialization_prefixes.iter().find_map(|prefix| text.strip_prefix(prefix)) {
            return DynoxideError::SerializationException(text.to_owned());
        }
        // DynamoDB reports missing or empty fields as validation errors, and wrong types as serialization errors.
        if ["missing field", "unknown variant", "invalid type: null", "AttributeValue"]
            .iter()
            .any(|part| text.contains(part))
        {
            return DynoxideError::ValidationException(text.to_owned());
        }
        DynoxideError::SerializationException(text.to_owned())
    })
}

fn to_response<T: Serialize>(result: Result<T, DynoxideError>, operation: &str) -> DispatchResponse {
    let serialized = result.and_then(|value| {
        serde_json::to_string(&value).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
    });
    match serialized {
        Ok(body) => DispatchResponse { status: 200, body, write_error: None },
        Err(error) => {
            let write_error = super::is_write_failure(&error).then(|| error.to_string());
            DispatchResponse {
                status: error.status_code(),
                body: wrap_validation_error(error, operation).to_json(),
                write_error,
            }
        }
    }
}

/// Adds DynamoDB's prefix to validation errors of single writes. The engine only marks these errors.
fn wrap_validation_error(error: DynoxideError, operation: &str) -> DynoxideError {
    match error {
        DynoxideError::EnvelopedValidation(text)
            if matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem") =>
        {
            DynoxideError::ValidationException(format!("1 validation error detected: {text}"))
        }
        other => other,
    }
}
