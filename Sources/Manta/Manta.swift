// Manta: the name of the API, and what it re-exports: a program that imports Manta sees the nouns of MantaModel too.
//
// The static functions stand beside what they concern: references in References, actors in Actors, sessions in Session.

@_exported public import MantaModel

/// Functions on references, actors and sessions; it has no values.
///
/// ```swift
/// let manta = try await Manta.start()
/// let reference = square.remote(3)
/// print(try await reference.value)
/// ```
public enum Manta {}
