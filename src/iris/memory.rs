//! How the memory of tensors is had from the system, and given back to it.
//!
//! Every stage of the network asks for tensors of many megabytes and gives them back. glibc hands such memory out by
//! mapping it, and unmaps it when it is freed: the system then clears the same pages for every tensor anew, which took a
//! fifth of the network's time on a CPU (benches/README.md, "Turnaround"). Here it is kept for the next tensor instead,
//! and given back when there is nothing to do.

#[cfg(all(target_os = "linux", target_env = "gnu"))]
use rustix::process::Resource;

/// An arena has one lock: with more of them, its threads would wait for one another.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
const PROCESSORS_OF_AN_ARENA: usize = 4;

/// Lets this process keep memory that is freed, until [`give_back_memory`]. To be called at the beginning of `main`:
/// whatever was mapped before stays as it is.
///
/// Where the process has a limit of its own on what it may have (`ulimit -d`, `ulimit -v`), nothing is kept: to such a limit
/// kept memory counts as used, and the code that oneDNN makes and the stacks of threads, which cannot lie in it, would
/// find nothing left.
///
/// Few arenas, so that one thread's tensor can lie where another's lay; glibc would make eight for each processor. C
/// libraries other than glibc are left as they are.
pub fn keep_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let is_limited = |resource| rustix::process::getrlimit(resource).current.is_some();
        if is_limited(Resource::Data) || is_limited(Resource::As) {
            return;
        }
        let processors = std::thread::available_parallelism().map_or(1, usize::from);
        let arenas = processors.div_ceil(PROCESSORS_OF_AN_ARENA);
        // Nothing is mapped for itself, and what is free at the end of the heap stays.
        for (parameter, value) in [
            (libc::M_MMAP_MAX, 0),
            (libc::M_TRIM_THRESHOLD, -1),
            (libc::M_ARENA_MAX, i32::try_from(arenas).unwrap_or(i32::MAX)),
        ] {
            // SAFETY: `mallopt` takes two numbers and no pointer, and sets a parameter of the allocator under the
            // allocator's own lock; of a value it does not take it says so, and changes nothing. Every value of these
            // parameters is one that memory can be had, used and freed by, so nothing that is allocated is touched.
            #[allow(unsafe_code)]
            let taken = unsafe { libc::mallopt(parameter, value) };
            debug_assert_eq!(taken, 1, "glibc knows the parameter {parameter}");
        }
    }
}

/// Gives memory that is free back to the system: tens of milliseconds, in which no thread can have any.
pub fn give_back_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY: `malloc_trim` takes a number and no pointer, may be called by any thread at any time (MT-Safe, says
        // its manual), and gives back only pages that hold nothing that is allocated.
        #[allow(unsafe_code)]
        unsafe {
            libc::malloc_trim(0);
        }
    }
}
