package redis

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/rueidis"
)

// work is what a client in Go does, and what was answered.
type work struct {
	context.Context //nolint:containedctx // a program's
	address         string
	mu              sync.Mutex
	answered        counts
}

// did notes an answer, and returns what is wrong with it.
func (w *work) did(command string, err error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil || errors.Is(err, redis.Nil) || rueidis.IsRedisNil(err) {
		w.answered[command]++
		return nil
	}
	if text := err.Error(); isAnswer(err) {
		word, _, _ := strings.Cut(text, " ")
		w.answered[command+" "+word]++
		return nil
	}
	return err
}

// isAnswer tells an error of the server from one of the driver.
func isAnswer(err error) bool {
	if _, ofGoRedis := errors.AsType[redis.Error](err); ofGoRedis {
		return true
	}
	_, ofRueidis := rueidis.IsRedisErr(err)
	return ofRueidis
}

// together runs n of them at the same time.
func together(n int, f func(i int) error) error {
	done := make(chan error)
	for i := range n {
		go func() { done <- f(i) }()
	}
	var all error
	for range n {
		all = errors.Join(all, <-done)
	}
	return all
}

// goClient does one kind of work with a driver in Go, and returns what was answered.
func goClient(what, address string) (counts, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	w := &work{Context: ctx, address: address, answered: counts{}}
	driver, what, _ := strings.Cut(what, " ")
	if driver == "rueidis" {
		return w.answered, w.rueidis(what)
	}
	return w.answered, w.goRedis(what)
}

func (w *work) goRedis(what string) error {
	c := redis.NewClient(&redis.Options{Addr: w.address, PoolSize: 8, DisableIndentity: true, ReadTimeout: -1})
	defer c.Close()
	switch what {
	case "plain":
		return together(8, func(worker int) error {
			for i := range 200 {
				key := fmt.Sprintf("k%d-%d", worker, i)
				if err := w.did("SET", c.Set(w, key, strings.Repeat("v", i*17), 0).Err()); err != nil {
					return err
				}
				if err := w.did("GET", c.Get(w, key).Err()); err != nil {
					return err
				}
			}
			return w.did("LPUSH", c.LPush(w, fmt.Sprintf("k%d-0", worker), "x").Err())
		})
	case "pipeline":
		for range 50 {
			p := c.Pipeline()
			for i := range 20 {
				p.Incr(w, fmt.Sprintf("n%d", i))
			}
			if err := w.executed(p); err != nil {
				return err
			}
		}
	case "transaction":
		for range 50 {
			p := c.TxPipeline()
			for i := range 10 {
				p.LPush(w, "l", i)
			}
			if err := w.executed(p); err != nil {
				return err
			}
			w.answered["MULTI"]++
			w.answered["EXEC"]++
		}
	case "subscribe":
		s := c.Subscribe(w, "a", "b")
		defer s.Close()
		for range 2 {
			if _, err := s.Receive(w); err != nil {
				return err
			}
		}
		w.answered["SUBSCRIBE"]++
		for i := range 100 {
			if err := w.did("PUBLISH", c.Publish(w, "a", strings.Repeat("x", i*31)).Err()); err != nil {
				return err
			}
			if _, err := s.ReceiveMessage(w); err != nil {
				return err
			}
		}
	case "block":
		done := make(chan error)
		go func() { done <- w.did("BLPOP", c.BLPop(w, 20*time.Second, "q").Err()) }()
		time.Sleep(200 * time.Millisecond)
		if err := w.did("RPUSH", c.RPush(w, "q", "x").Err()); err != nil {
			return err
		}
		return <-done
	default:
		return fmt.Errorf("go-redis does not do %q", what)
	}
	return nil
}

// executed has a pipeline executed, and notes its answers.
func (w *work) executed(p redis.Pipeliner) error {
	all, err := p.Exec(w)
	for _, c := range all {
		if name := strings.ToUpper(c.Name()); name != "MULTI" && name != "EXEC" {
			err = errors.Join(err, w.did(name, c.Err()))
		}
	}
	return err
}

// rueidis speaks RESP3, and puts what goroutines ask at the same time into one pipeline.
func (w *work) rueidis(what string) error {
	c, err := w.open()
	if err != nil {
		return err
	}
	defer c.Close()
	switch what {
	case "plain":
		return together(60, func(worker int) error {
			for i := range 50 {
				key := fmt.Sprintf("k%d-%d", worker, i)
				if err := w.did("SET", c.Do(w, c.B().Set().Key(key).Value(strings.Repeat("v", i*71)).Build()).Error()); err != nil {
					return err
				}
				if err := w.did("GET", c.Do(w, c.B().Get().Key(key).Build()).Error()); err != nil {
					return err
				}
			}
			return w.did("HSET", c.Do(w, c.B().Hset().Key(fmt.Sprintf("k%d-0", worker)).FieldValue().FieldValue("f", "v").Build()).Error())
		})
	case "multi":
		return together(3, func(int) error {
			for range 50 {
				var all rueidis.Commands
				for i := range 20 {
					all = append(all, c.B().Hincrby().Key("h").Field(fmt.Sprint(i)).Increment(1).Build())
				}
				for _, answer := range c.DoMulti(w, all...) {
					if err := w.did("HINCRBY", answer.Error()); err != nil {
						return err
					}
				}
			}
			return w.did("HGETALL", c.Do(w, c.B().Hgetall().Key("h").Build()).Error())
		})
	case "cache":
		return w.cache(c)
	case "subscribe":
		return w.subscribe(c)
	case "transaction":
		return w.transaction(c)
	case "block":
		return together(2, func(i int) error {
			if i == 0 {
				return w.did("BLPOP", c.Do(w, c.B().Blpop().Key("q").Timeout(20).Build()).Error())
			}
			time.Sleep(200 * time.Millisecond)
			return w.did("RPUSH", c.Do(w, c.B().Rpush().Key("q").Element("x").Build()).Error())
		})
	case "large":
		value := strings.Repeat("v", 1<<20)
		return together(4, func(worker int) error {
			for range 5 {
				key := fmt.Sprint(worker)
				if err := w.did("SET", c.Do(w, c.B().Set().Key(key).Value(value).Build()).Error()); err != nil {
					return err
				}
				if err := w.did("GET", c.Do(w, c.B().Get().Key(key).Build()).Error()); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return fmt.Errorf("rueidis does not do %q", what)
}

func (w *work) open() (rueidis.Client, error) {
	return rueidis.NewClient(rueidis.ClientOption{InitAddress: []string{w.address}, ForceSingleClient: true, ConnWriteTimeout: time.Minute})
}

// cache has the driver keep values, of which the server says when they change: with pushes between its answers.
func (w *work) cache(c rueidis.Client) error {
	writer, err := w.open()
	if err != nil {
		return err
	}
	defer writer.Close()
	return together(2, func(i int) error {
		for k := range 200 {
			key := fmt.Sprint(k % 10)
			if i == 0 {
				if err := w.did("SET", writer.Do(w, writer.B().Set().Key(key).Value(fmt.Sprint(k)).Build()).Error()); err != nil {
					return err
				}
				continue
			}
			answer := c.DoCache(w, c.B().Get().Key(key).Cache(), time.Minute)
			if answer.IsCacheHit() {
				continue
			}
			// The driver asks for it so: CLIENT CACHING YES, MULTI, PTTL, GET, EXEC.
			for _, command := range []string{"MULTI", "PTTL", "GET", "EXEC"} {
				if err := w.did(command, answer.Error()); err != nil {
					return err
				}
			}
		}
		return nil
	})
}

// subscribe has messages come as pushes between the answers of one connection.
func (w *work) subscribe(c rueidis.Client) error {
	const messages = 100
	subscribed := make(chan struct{})
	return together(2, func(i int) error {
		if i == 0 {
			seen := 0
			ctx := rueidis.WithOnSubscriptionHook(w, func(s rueidis.PubSubSubscription) {
				if s.Kind == "subscribe" {
					close(subscribed)
				}
			})
			err := c.Receive(ctx, c.B().Subscribe().Channel("a").Build(), func(rueidis.PubSubMessage) { seen++ })
			if err == nil && seen != messages {
				err = fmt.Errorf("%d messages", seen)
			}
			return errors.Join(err, w.did("SUBSCRIBE", nil))
		}
		<-subscribed
		for k := range messages {
			if err := w.did("PUBLISH", c.Do(w, c.B().Publish().Channel("a").Message(strings.Repeat("m", k*31)).Build()).Error()); err != nil {
				return err
			}
			if err := w.did("GET", c.Do(w, c.B().Get().Key("a").Build()).Error()); err != nil {
				return err
			}
		}
		return w.did("UNSUBSCRIBE", c.Do(w, c.B().Unsubscribe().Channel("a").Build()).Error())
	})
}

// transaction has a connection for itself.
func (w *work) transaction(c rueidis.Client) error {
	return c.Dedicated(func(c rueidis.DedicatedClient) error {
		for range 50 {
			if err := w.did("WATCH", c.Do(w, c.B().Watch().Key("a").Build()).Error()); err != nil {
				return err
			}
			answers := c.DoMulti(w, c.B().Multi().Build(), c.B().Incr().Key("a").Build(), c.B().Lpush().Key("l").Element("x").Build(),
				c.B().Exec().Build())
			for i, command := range []string{"MULTI", "INCR", "LPUSH", "EXEC"} {
				if err := w.did(command, answers[i].Error()); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
