//! What the node holds: instance files and the durable index of instances, series and jobs.
