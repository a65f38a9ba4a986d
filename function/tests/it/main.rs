//! End-to-end tests of the real program over real sockets, with a Runtime API and a DynamoDB that misbehave
//! on demand.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

mod bots;
mod counting;
mod documented;
mod dynamodb;
mod engine;
mod fake;
mod hostile;
mod invalidation;
mod lifecycle;
mod logs;
mod messages;
mod reader;
mod redelivery;
mod routes;
mod tls;
mod visitors;
mod wellformed;
