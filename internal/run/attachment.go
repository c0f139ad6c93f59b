package run

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/coo-runtime/coo/internal/canon"
	"github.com/coo-runtime/coo/internal/digest"
	"github.com/coo-runtime/coo/internal/snapshot"
)

// A Tree is an attachment: what the whole workspace was, at a point of one
// execution. It is no part of the run's identity, which does not depend on
// what else lies in the directory.
//
//	{"at":"baseline","n":0,"t":"tree","tree":"8b1a9953…"}
type Tree struct {
	T    string        `json:"t"`  // "tree"
	At   string        `json:"at"` // baseline, step, exec, exit, final
	N    int64         `json:"n"`  // of the step's record or the exec call; 0 for baseline and final
	Tree digest.Digest `json:"tree"`
}

// The points at which the workspace is kept.
const (
	AtBaseline = "baseline"
	AtStep     = "step"
	AtExec     = "exec" // as a program found it
	AtExit     = "exit" // as it left it
	AtFinal    = "final"
)

// A Place is an attachment: where the workspace of a program was, and what of
// it was outside of its snapshots then (see [snapshot.Outside]).
//
//	{"outside":[".git"],"t":"place","workspace":"/home/ada/agent"}
type Place struct {
	Outside   *[]string `json:"outside,omitempty"` // nil: it was not looked at
	T         string    `json:"t"`                 // "place"
	Workspace string    `json:"workspace"`
}

// PlaceOf returns the place that a workspace is.
func PlaceOf(workspace string) (Place, error) {
	outside, err := snapshot.Outside(workspace)
	if err != nil {
		return Place{}, err
	}
	if outside == nil {
		outside = []string{}
	}
	return Place{Outside: &outside, T: "place", Workspace: workspace}, nil
}

// An Exe is an attachment: an executable that was started, or the interpreter
// of one that is a script, and the digest of its content, which is not kept.
//
//	{"path":"/usr/bin/python3.11","sha256":"5f70bf18…","t":"exe"}
type Exe struct {
	T      string        `json:"t"` // "exe"
	Path   string        `json:"path"`
	SHA256 digest.Digest `json:"sha256"`
}

// An Environment is an attachment: the manifest of what the programs of a run
// at level deterministic have used outside of the workspace (package
// environment), a content of its own.
//
//	{"manifest":"0c5a6f17…","t":"environment"}
type Environment struct {
	Manifest digest.Digest `json:"manifest"`
	T        string        `json:"t"` // "environment"
}

// Attachments are what an execution has attached, by kind, each in order.
type Attachments struct {
	Trees        []Tree
	Places       []Place
	Exes         []Exe
	Environments []Environment // at most one
}

// ParseAttachments reads attachments strictly: one of an unknown kind, or not
// in canonical form, is an error.
func ParseAttachments(values [][]byte) (*Attachments, error) {
	a := new(Attachments)
	for i, v := range values {
		if err := a.add(v); err != nil {
			return nil, fmt.Errorf("attachment %d: %w", i, err)
		}
	}
	return a, nil
}

func (a *Attachments) add(v []byte) error {
	var kind struct {
		T string `json:"t"`
	}
	if err := json.Unmarshal(v, &kind); err != nil {
		return errors.New("not an object with a kind")
	}
	switch kind.T {
	case "tree":
		return addTo(&a.Trees, v)
	case "place":
		return addTo(&a.Places, v)
	case "exe":
		return addTo(&a.Exes, v)
	case "environment":
		if len(a.Environments) > 0 {
			return errors.New("a second environment manifest")
		}
		return addTo(&a.Environments, v)
	}
	return fmt.Errorf("unknown kind %.40q", kind.T)
}

func addTo[T any](list *[]T, v []byte) error {
	var t T
	if err := canon.Unmarshal(v, &t); err != nil {
		return err
	}
	*list = append(*list, t)
	return nil
}

// Trees returns the trees among an execution's attachments, in order.
func Trees(attachments [][]byte) ([]Tree, error) {
	a, err := ParseAttachments(attachments)
	if err != nil {
		return nil, err
	}
	return a.Trees, nil
}
