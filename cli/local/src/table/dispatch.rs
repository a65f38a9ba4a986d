//! From the name of an operation and its JSON to the embedded engine and back.
//!
//! The engine brings an HTTP server of its own, which answers every web page (CORS for any origin) and looks at no Host;
//! this goes straight to its operations, so that `front` can be stricter.

use dynoxide::{Database, DynoxideError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// Operations by name, each with the engine's method.
macro_rules! operations {
    ($db:ident, $operation:ident, $body:ident; $($name:literal => $method:ident),* $(,)?) => {
        match $operation {
            $($name => Some(answer(parse($body).and_then(|request| $db.$method(request)), $operation)),)*
            _ => None,
        }
    };
}

/// An answer, and why the file could not be written, if that is what it says.
pub(super) struct Answer {
    pub(super) status: u16,
    /// JSON.
    pub(super) body: String,
    pub(super) unwritten: Option<String>,
}

/// Runs one operation; `None` when there is none of that name.
pub(super) fn run(db: &Database, operation: &str, body: &[u8]) -> Option<Answer> {
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

/// Reads a request. The engine marks in the text of an error which kind it is.
fn parse<T: DeserializeOwned>(body: &[u8]) -> Result<T, DynoxideError> {
    serde_json::from_slice(body).map_err(|error| {
        let text = error.to_string();
        let text = text.rsplit_once(" at line ").map_or(text.as_str(), |(text, _)| text);
        let marked = ["VALIDATION_REQUEST:", "VALIDATION_AS_READ:", "VALIDATION:"];
        let read = ["SERIALIZATION_AS_READ:", "SERIALIZATION:"];
        if let Some(text) = marked.iter().find_map(|mark| text.strip_prefix(mark)) {
            return DynoxideError::ValidationException(text.to_owned());
        }
        if let Some(text) = read.iter().find_map(|mark| text.strip_prefix(mark)) {
            return DynoxideError::SerializationException(text.to_owned());
        }
        // What is missing or empty is refused by DynamoDB's validation; what has a wrong type, by its reader.
        if ["missing field", "unknown variant", "invalid type: null", "AttributeValue"]
            .iter()
            .any(|part| text.contains(part))
        {
            return DynoxideError::ValidationException(text.to_owned());
        }
        DynoxideError::SerializationException(text.to_owned())
    })
}

fn answer<T: Serialize>(result: Result<T, DynoxideError>, operation: &str) -> Answer {
    let written = result.and_then(|value| {
        serde_json::to_string(&value).map_err(|error| DynoxideError::InternalServerError(error.to_string()))
    });
    match written {
        Ok(body) => Answer { status: 200, body, unwritten: None },
        Err(error) => {
            let unwritten = super::is_unwritten(&error).then(|| error.to_string());
            Answer { status: error.status_code(), body: enveloped(error, operation).to_json(), unwritten }
        }
    }
}

/// DynamoDB wraps some validation errors of single writes; the engine only tags them.
fn enveloped(error: DynoxideError, operation: &str) -> DynoxideError {
    match error {
        DynoxideError::EnvelopedValidation(text)
            if matches!(operation, "PutItem" | "UpdateItem" | "DeleteItem") =>
        {
            DynoxideError::ValidationException(format!("1 validation error detected: {text}"))
        }
        other => other,
    }
}
