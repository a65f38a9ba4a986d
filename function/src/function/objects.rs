//! Handles objects created in buckets. Objects of the site's bucket are invalidated, all of a batch at once;
//! access logs are counted. Failures are reported, so that the message is delivered again.

use std::collections::BTreeSet;

use super::CounterFunction;
use super::services::deadline;
use crate::batch::{BatchResult, MessageError};
use crate::cloudfront;
use crate::invalidate;
use crate::lambda::RuntimeInvocation;
use crate::log_files;
use crate::trigger::{InboundMessage, ParsedContent, S3Object};

impl CounterFunction {
    /// Handles the objects of messages and adds failures to `counted`.
    pub(super) fn handle_objects(
        &mut self,
        messages: &[InboundMessage],
        invocation: &RuntimeInvocation,
        counted: &mut BatchResult,
    ) {
        let (mut changed, mut of_site) = (Vec::new(), BTreeSet::new());
        let mut files = Vec::new();
        let sources = &self.settings.event_options;
        for (index, message) in messages.iter().enumerate() {
            let Ok(ParsedContent::Objects(objects)) = &message.content else { continue };
            let is = |bucket: &Option<String>, object: &S3Object| bucket.as_deref() == Some(&object.bucket);
            for object in objects {
                if is(&sources.log_bucket, object) {
                    files.push((index, object));
                } else if is(&sources.site_bucket, object) && self.settings.invalidate.is_some() {
                    of_site.insert(index);
                    changed.push(object.clone());
                } else {
                    let why = "the object is in neither the site bucket nor the log bucket".to_owned();
                    counted.failed.insert(index, MessageError::Malformed(why));
                }
            }
        }
        if !changed.is_empty()
            && let Err(why) = self.invalidate_objects(&changed, invocation)
        {
            for index in of_site {
                counted.failed.entry(index).or_insert_with(|| MessageError::NotStored(why.clone()));
            }
        }
        for (index, object) in files {
            if let Err(failed) = self.count_log_file(index, object, invocation, counted) {
                counted.failed.entry(index).or_insert(failed);
            }
        }
    }

    fn invalidate_objects(
        &mut self,
        objects: &[S3Object],
        invocation: &RuntimeInvocation,
    ) -> Result<(), String> {
        let Some(invalidation) = self.settings.invalidate.clone() else { return Ok(()) };
        let (paths, reference) = (invalidate::paths(objects), invalidate::objects_reference(objects));
        let until = deadline(self.time_left(invocation));
        cloudfront::invalidate(self.cloudfront()?, &invalidation.distribution, &paths, &reference, until)
    }

    fn count_log_file(
        &mut self,
        index: usize,
        object: &S3Object,
        invocation: &RuntimeInvocation,
        counted: &mut BatchResult,
    ) -> Result<(), MessageError> {
        let (mut rest, path) =
            self.access.s3(&self.settings, &object.bucket, &object.key).map_err(MessageError::NotStored)?;
        let until = deadline(self.time_left(invocation));
        let file = log_files::fetch_object(&mut rest, &path, until)?;
        let now = (self.access.clock)();
        let has_dedup_table = self.settings.has_dedup_table;
        let mut context = self.counter.batch_context();
        log_files::count(&mut context, (index, object), &file, has_dedup_table, now, counted)
            .map_err(MessageError::Malformed)
    }
}
