// Image packs statically linked programs into a container image without Docker: one OCI archive for all of their
// platforms, for each platform an archive as `docker load` and `ctr images import` take it, and a bill of
// materials. The same programs always make the same bytes.
//
//	go run ./deploy/image -name fathomhq/fathom -tag v1.2.3 -revision COMMIT -created 2026-11-22T18:24:30Z \
//	    -dir build/image build/image/fathom-amd64 build/image/fathom-arm64
//
// With -bill it writes the bill of materials of one program and nothing else, as deploy/Dockerfile needs it.
package main

import (
	"bytes"
	"debug/buildinfo"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// options are what the command line says.
type options struct {
	name, tag, revision string
	created             time.Time
	licence             string // file
	dir, bill           string
	programs            []string
}

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "image:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	if o.bill != "" {
		return writeBill(o, out)
	}
	return build(o, out)
}

func parse(args []string) (o options, err error) {
	flags := flag.NewFlagSet("image", flag.ContinueOnError)
	flags.StringVar(&o.name, "name", "fathomhq/fathom", "`repository` that the image is for")
	flags.StringVar(&o.tag, "tag", "dev", "`tag` of the image: the version")
	flags.StringVar(&o.revision, "revision", "unknown", "`commit` that the programs were built from")
	created := flags.String("created", "1970-01-01T00:00:00Z", "`time` of that commit, which all files get")
	flags.StringVar(&o.licence, "licence", "LICENSE", "`file` with the licence, for the image")
	flags.StringVar(&o.bill, "bill", "", "write only the bill of materials, to this `file`")
	flags.StringVar(&o.dir, "dir", "build/image", "`directory` to write to")
	if err := flags.Parse(args); err != nil {
		return o, err
	}
	if o.programs = flags.Args(); len(o.programs) == 0 {
		return o, errors.New("which programs? Give one for each platform")
	}
	if o.created, err = time.Parse(time.RFC3339, *created); err != nil {
		return o, fmt.Errorf("-created: %w", err)
	}
	if o.bill != "" && len(o.programs) > 1 {
		return o, errors.New("-bill is for one program")
	}
	o.created = o.created.UTC().Truncate(time.Second)
	return o, nil
}

// build writes the archives and the bills of materials, and prints what it wrote.
func build(o options, out io.Writer) error {
	var images []*image
	for _, name := range o.programs {
		m, err := pack(o, name)
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		images = append(images, m)
		if err := write(out, filepath.Join(o.dir, "fathom-"+m.arch+".spdx.json"), m.bill, o.created); err != nil {
			return err
		}
		if err := write(out, filepath.Join(o.dir, "fathom-"+m.arch+".docker.tar"), dockerArchive(o, m), o.created); err != nil {
			return err
		}
		_, _ = fmt.Fprintf(out, "linux/%s: %.1f MB compressed, %s\n", m.arch, float64(len(m.layer))/1e6, m.manifest.digest())
	}
	return write(out, filepath.Join(o.dir, "fathom.oci.tar"), ociArchive(o, images), o.created)
}

func writeBill(o options, out io.Writer) error {
	program, err := os.ReadFile(o.programs[0])
	if err != nil {
		return err
	}
	info, err := buildinfo.Read(bytes.NewReader(program))
	if err != nil {
		return err
	}
	bill, err := billOfMaterials(o, info, program)
	if err != nil {
		return err
	}
	return write(out, o.bill, bill, o.created)
}

func write(out io.Writer, name string, data []byte, t time.Time) error {
	if err := os.WriteFile(name, data, 0o644); err != nil {
		return err
	}
	_, err := fmt.Fprintln(out, name)
	return errors.Join(err, os.Chtimes(name, t, t))
}
